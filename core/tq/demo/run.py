"""Send one task for each file, and collect what comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path

import msgspec

from tq import TQ
from tq.contracts.results import ResultBackend
from tq.demo.word_count import count
from tq.errors import ImproperlyConfigured, TQError
from tq.records import TaskMeta

SLICE = 200
"""Results that are asked for at once."""
_EVERY = 25
_PAUSE = 0.03
_SILENCE = 0.5

Progress = Callable[[int, int], None]
"""Told how many tasks are done, and how many of them failed."""


class WorkerEnded(TQError):
    """The worker of the demo ended before its tasks were done."""


class Done(msgspec.Struct, frozen=True):
    """One finished task; `seconds` from sending it to its end, by this machine's clock."""

    path: Path
    seconds: float
    meta: TaskMeta


class Run:
    """One run on one app. `check` raises where it makes no sense to wait any longer."""

    def __init__(self, app: TQ, queue: str, *, progress: Progress, check: Callable[[], None]) -> None:
        self._app = app
        self._queue = queue
        self._progress = progress
        self._check = check
        self._sent: dict[str, tuple[Path, float]] = {}
        self._failed = 0
        self.done: list[Done] = []

    def perform(self, paths: Sequence[Path]) -> float:
        """Do all of it; returns the seconds it took."""
        backend = self._backend()
        began = time.monotonic()
        for number, path in enumerate(paths, start=1):
            self._send(path)
            if number % _EVERY == 0:
                self._collect(backend, 0.0)
        while self._sent:
            self._check()
            self._collect(backend, _SILENCE)
            time.sleep(_PAUSE)
        return time.monotonic() - began

    @property
    def ids(self) -> list[str]:
        """Every task that was sent."""
        return [*self._sent, *(item.meta.task_id for item in self.done)]

    def _send(self, path: Path) -> None:
        sent = time.time()
        result = count.apply_async((str(path),), queue=self._queue)
        self._sent[result.id] = path, sent

    def _collect(self, backend: ResultBackend, wait: float) -> None:
        # Queues are first in, first out: the oldest are the next to be ready.
        oldest = list(islice(self._sent, SLICE))
        for task_id, meta in backend.wait(oldest, wait).items():
            path, sent = self._sent.pop(task_id)
            self.done.append(Done(path, _ended(meta) - sent, meta))
            self._failed += meta.status != "SUCCESS"
        self._progress(len(self.done), self._failed)

    def _backend(self) -> ResultBackend:
        if self._app.backend is None:
            raise ImproperlyConfigured("the demo needs a result backend: give --backend URL")
        return self._app.backend


def _ended(meta: TaskMeta) -> float:
    if meta.date_done is None:
        return time.time()
    return datetime.fromisoformat(meta.date_done).timestamp()
