"""Asks workers and the broker what there is, once; what cannot be asked is said in words."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tq.app.app import TQ
from tq.app.work import WorkerOptions, queues_of
from tq.contracts.broker import Cap
from tq.errors import TQError
from tq.options import mask_url
from tq.records import QueueStats

DISCOVER = 5
"""Of so many polls one asks everybody, and waits for as long as anybody may take."""
MOST_QUEUES = 200


class Poll(msgspec.Struct, frozen=True):
    """What was answered. `at` is when it was asked, by the monotonic clock; `stats` and `active` are replies by worker, as they came."""

    at: float
    stats: Mapping[str, Any] = {}
    active: Mapping[str, Any] = {}
    queues: Sequence[QueueStats] = ()
    trouble: str | None = None


class Asker:
    """Asks one app's broker and workers, `timeout` seconds for each question; 0: workers are not asked."""

    def __init__(self, app: TQ, queues: Sequence[str], timeout: float) -> None:
        self._app = app
        self._queues = queues
        self._timeout = timeout
        self._known: set[str] = set()
        self._read: set[str] = set()
        self._asked = 0

    @property
    def broker(self) -> str:
        """Its URL without password."""
        return mask_url(self._app.conf.broker_url)

    @property
    def hears_events(self) -> bool:
        """Whether workers can be heard and asked."""
        return Cap.BROADCAST in self._app.broker.capabilities

    def meet(self, workers: Sequence[str]) -> None:
        """Ask these as well: their events came."""
        self._known.update(workers)

    def limits(self) -> list[str]:
        """Sentences about what this broker cannot say."""
        broker = self._app.broker
        name = type(broker).__name__
        said = []
        if Cap.BROADCAST not in broker.capabilities:
            said.append(f"{name} cannot broadcast: workers and tasks are not seen")
        if Cap.STATS not in broker.capabilities:
            said.append(f"{name} cannot say what lies in its queues")
        return said

    def ask(self) -> Poll:
        """One round. Raises nothing because a server is gone."""
        at = time.monotonic()
        try:
            stats, active = self._workers()
            return Poll(at, stats, active, self._stats())
        except TQError as exc:
            return Poll(at, trouble=str(exc))

    def enable_events(self, on: bool) -> None:
        """Have all workers send events of tasks, or not. Raises `TQError`."""
        self._app.control.broadcast("enable_events" if on else "disable_events")

    def _workers(self) -> tuple[dict[str, Any], dict[str, Any]]:
        if not self._timeout or not self.hears_events:
            return {}, {}
        everybody = not self._known or self._asked % DISCOVER == 0
        self._asked += 1
        inspect = self._app.control.inspect(None if everybody else sorted(self._known), self._timeout)
        stats = inspect.stats() or {}
        self._known = set(stats)
        if not stats:
            return {}, {}
        inspect.destination = sorted(stats)
        if everybody and not self._queues:
            replies = inspect.active_queues() or {}
            self._read = {name for reply in replies.values() for name in _names(reply)}
        return stats, inspect.active() or {}

    def _stats(self) -> list[QueueStats]:
        broker = self._app.broker
        if Cap.STATS not in broker.capabilities:
            return []
        own = queues_of(self._app, WorkerOptions(queues=self._queues))
        names = [*dict.fromkeys((*own, *sorted(self._read)))]
        return [broker.stats(name) for name in names[:MOST_QUEUES]]


def _names(reply: object) -> list[str]:
    rows = reply if isinstance(reply, list) else []
    return [row["name"] for row in rows if isinstance(row, dict) and isinstance(row.get("name"), str)]
