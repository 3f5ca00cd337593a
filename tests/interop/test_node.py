"""Programs in JavaScript: the npm packages that speak Celery's protocol, on both brokers, with results in Redis."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import on_each_broker
from tests.processes import Program, Workers
from tests.processes.program import ROOT
from tq import TQ

SCRIPTS = ROOT / "tests/interop/node"
Call = Callable[..., Any]

pytestmark = on_each_broker


@pytest.fixture(params=["celery-node", "celery-ts"])
def call(
    request: pytest.FixtureRequest, node_clients: tuple[Path, Path], url: str, backend: str, worker: Program
) -> Call:
    """Call a task from JavaScript; what came of it."""
    node, packages = node_clients

    def run(name: str, *args: Any) -> Any:
        done = subprocess.run(
            [node, SCRIPTS / "client.js", request.param, url, backend, name, json.dumps(args)],
            env={"NODE_PATH": str(packages / "node_modules")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def worker(workers: Workers) -> Program:
    """A worker of tq."""
    return workers.start()


def test_a_client_in_javascript_gets_values_and_errors(call: Call) -> None:
    assert call("shop.add", 2, 3) == {"value": 5}
    value = {"text": "größe", "list": [1, 2.5, None, True]}
    assert call("shop.echo", value) == {"value": value}
    assert call("shop.fail", "ValueError", "no") == {"error": "ValueError"}


def test_a_worker_in_javascript_answers_tq(
    tq: TQ, node_clients: tuple[Path, Path], url: str, backend: str
) -> None:
    node, packages = node_clients
    program = Program(
        [node, SCRIPTS / "worker.js", url, backend, "node"], {"NODE_PATH": str(packages / "node_modules")}
    )
    try:
        program.wait_for("registered task")
        assert tq.send_task("node.add", [2, 3], queue="node").get(timeout=60) == 5
        error = tq.send_task("node.fail", queue="node").get(timeout=60, propagate=False)
        # What the error said it writes nowhere.
        assert isinstance(error, Exception)
    finally:
        program.close()
