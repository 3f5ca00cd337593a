"""Waiting for results on the caller's own thread."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from tq.client.waiter import timed_out
from tq.contracts.results import ResultBackend
from tq.errors import BackendUnavailable
from tq.policy.backoff import reconnect_delays
from tq.records import TaskMeta

_SLICE = 5.0
"""Seconds of one call of `ResultBackend.wait`."""


def as_they_end(
    backend: ResultBackend, task_ids: Iterable[str], timeout: float | None
) -> Iterator[tuple[str, TaskMeta]]:
    """(id, document) of each task as it ends. Outages of the store are waited for, as long as `timeout` lasts.

    Raises `ResultTimeout` where not all have ended within `timeout` seconds, and `BackendUnavailable`.
    """
    waiting = dict.fromkeys(task_ids)
    deadline = None if timeout is None else time.monotonic() + timeout
    pauses = reconnect_delays()
    while waiting:
        left = _SLICE if deadline is None else min(_SLICE, deadline - time.monotonic())
        if left < 0:
            raise timed_out(next(iter(waiting)), timeout)
        try:
            found = backend.wait(list(waiting), left)
        except BackendUnavailable:
            pause = next(pauses)
            if deadline is not None and time.monotonic() + pause > deadline:
                raise
            time.sleep(pause)
            continue
        for task_id, meta in found.items():
            del waiting[task_id]
            yield task_id, meta
