"""A Celery client in a process of its own, used like an object."""

from __future__ import annotations

import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.processes.program import ROOT, clean_environment


class CeleryClient:
    """Each method of `tests.interop.celery_side.Client`, over a pipe. A pipe that ends ends the process."""

    def __init__(self, python: Path, url: str, backend: str = "") -> None:
        self._process = subprocess.Popen(
            [str(python), "-m", "tests.interop.celery_side"],
            cwd=ROOT,
            env=clean_environment() | celery_environment(url, backend) | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            pickle.dump((method, args, kwargs), self._process.stdin)
            self._process.stdin.flush()
            fine, value = pickle.load(self._process.stdout)
            assert fine, f"Celery's {method} raised {value}"
            return value

        return call

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def celery_environment(url: str, backend: str = "") -> dict[str, str]:
    """What `tests.interop.celery_side` wants to know."""
    return {"TQ_TEST_BROKER": url, "TQ_TEST_BACKEND": backend or url}


def celery_worker_command(
    python: Path, pool: str, *more: str, app: str = "tests.interop.celery_side:app"
) -> list[str | Path]:
    """The command of a Celery worker that starts fast: no gossip, no mingle."""
    return [
        *(os.fspath(python), "-m", "celery", "-A", app, "worker", "-l", "INFO"),
        *("-P", pool, "--without-gossip", "--without-mingle", "--without-heartbeat", *more),
    ]
