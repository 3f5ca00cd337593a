"""`celery inspect` and `celery control` reach tq workers, and tq's own reach Celery's, through Celery's exchanges."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.interop.celery_client import celery_environment
from tests.interop.conftest import StartCelery
from tests.processes import Workers
from tests.processes.program import ROOT, clean_environment
from tq import TQ

Celery = Callable[..., Any]


@pytest.fixture
def inspect(celery_python: Path, url: str, backend: str) -> Celery:
    """`celery inspect METHOD`, and what it prints as JSON."""

    def run(method: str) -> Any:
        command = [os.fspath(celery_python), "-m", "celery", "-A", "tests.interop.celery_side:app"]
        done = subprocess.run(
            [*command, "inspect", method, "--json", "--timeout", "10", "-d", "ours@here"],
            cwd=ROOT,
            env=clean_environment() | celery_environment(url, backend) | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    return run


def test_celery_inspects_a_tq_worker(inspect: Celery, workers: Workers) -> None:
    worker = workers.start("-n", "ours@here")
    assert inspect("ping") == {"ours@here": {"ok": "pong"}}
    (queues,) = inspect("active_queues").values()
    assert [queue["name"] for queue in queues] == ["celery"]
    assert "shop.add" in inspect("registered")["ours@here"]
    worker.stop()


def test_tq_inspects_a_celery_worker(tq: TQ, start_celery: StartCelery) -> None:
    worker = start_celery("solo", "-n", "theirs@here")
    assert tq.control.inspect(timeout=10, limit=1).ping() == {"theirs@here": {"ok": "pong"}}
    worker.stop()
