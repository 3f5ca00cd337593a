"""A worker beside the test, for tests that want the way of a task as a whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tq.app.work import WorkerOptions, make_worker
from tq.contracts.pool import StopMode

if TYPE_CHECKING:
    from tq.app.app import TQ

_PATIENCE = 30.0
"""Seconds for the worker to stop."""


@contextmanager
def running_worker(app: TQ, *, pool: str = "solo", concurrency: int | None = None) -> Iterator[None]:
    """Run a worker of `app` on a thread, and stop it softly at the end of the block.

    For pools whose bodies run in this process; one that forks or patches the standard library wants a process of
    its own (`tq worker`). Tasks that are sent before the worker is ready wait for it. Raises what the worker raised,
    and `AssertionError` where it does not stop within 30 s.
    """
    worker = make_worker(app, WorkerOptions(pool=pool, concurrency=concurrency))
    errors: list[BaseException] = []

    def run() -> None:
        try:
            worker.run(install_signals=False)
        except BaseException as exc:  # noqa: BLE001 - raised again on the thread of the test
            errors.append(exc)

    thread = threading.Thread(target=run, name="running_worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(_PATIENCE)
        worker.stop(StopMode.COLD)  # does nothing to a worker that has ended
    if errors:
        raise errors[0]
    assert not thread.is_alive(), f"the worker did not stop within {_PATIENCE} s"
