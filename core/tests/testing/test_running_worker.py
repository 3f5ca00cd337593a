"""`running_worker`: tasks run inside of the block, and what ends the worker is said."""

from __future__ import annotations

import threading

import pytest

from tq import TQ
from tq.errors import PluginError
from tq.testing import running_worker
from tq.worker.solo import SoloPool


def test_tasks_run_inside_of_the_block_and_no_thread_is_left() -> None:
    app = TQ("shop", broker="memory://running", backend="memory://running")

    @app.task
    def double(number: int) -> int:
        return number * 2

    early = double.delay(1)
    before = set(threading.enumerate())
    with running_worker(app):
        assert (early.get(timeout=30), double.delay(21).get(timeout=30)) == (2, 42)
    assert [thread.name for thread in set(threading.enumerate()) - before if thread.is_alive()] == []


def test_what_ends_the_worker_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()

    def run(pool: SoloPool) -> None:
        begun.set()
        raise OSError("no more threads")

    monkeypatch.setattr(SoloPool, "run", run)
    app = TQ("shop", broker="memory://broken", backend="memory://broken")
    with pytest.raises(OSError, match="no more threads"), running_worker(app):
        assert begun.wait(30)


def test_a_pool_that_is_not_there_is_said_at_once() -> None:
    app = TQ("shop", broker="memory://x")
    wrong = pytest.raises(PluginError, match="no pool plugin for 'sloo': did you mean 'solo'")
    with wrong, running_worker(app, pool="sloo"):
        pytest.fail("the block must not begin")
