"""Counts that grow, and how fast they grew between two looks at them. Memory is bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tq.events.nodes import number

MOST: int = 2000
"""Names of tasks, and of workers, that are counted; beyond them those that were heard of least recently are left out."""
KINDS = ("started", "succeeded", "failed", "retried")


@dataclass(slots=True)
class Count:
    """Events of the tasks of one name."""

    started: int = 0
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    runtime: float = 0.0
    timed: int = 0

    def since(self, old: Count) -> Count:
        """What came after `old`."""
        return Count(
            self.started - old.started,
            self.succeeded - old.succeeded,
            self.failed - old.failed,
            self.retried - old.retried,
            self.runtime - old.runtime,
            self.timed - old.timed,
        )

    def copy(self) -> Count:
        """As it is now."""
        return Count(self.started, self.succeeded, self.failed, self.retried, self.runtime, self.timed)

    @property
    def mean(self) -> float | None:
        """Seconds of a run."""
        return self.runtime / self.timed if self.timed else None


class EventCounts:
    """By name of the task, and by worker."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self.names: OrderedDict[str, Count] = OrderedDict()
        self.workers: OrderedDict[str, int] = OrderedDict()
        """Bodies begun, by what events say."""

    def add(self, kind: str, name: str | None, worker: str, runtime: object) -> None:
        """Count one event; `kind` is its type without `task-`."""
        self.workers[worker] = self.workers.get(worker, 0) + (kind == "started")
        self.workers.move_to_end(worker)
        _shrink(self.workers, self._most)
        if name is None or kind not in KINDS:
            return
        count = self.names.setdefault(name, Count())
        self.names.move_to_end(name)
        _shrink(self.names, self._most)
        setattr(count, kind, getattr(count, kind) + 1)
        if kind == "succeeded":
            seconds = number(runtime, -1.0)
            if seconds >= 0:
                count.runtime += seconds
                count.timed += 1


def tallies(stats: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """How many tasks of each name each worker has begun, of replies to `inspect stats`; what is no count is left out."""
    found = {}
    for worker, reply in stats.items():
        total = reply.get("total") if isinstance(reply, dict) else None
        if isinstance(total, dict):
            found[worker] = {
                str(name): count
                for name, count in list(total.items())[:MOST]
                if type(count) is int and count >= 0
            }
    return found


def grown(new: Mapping[str, int], old: Mapping[str, int]) -> dict[str, int]:
    """What was added to each count; one that fell began anew, as with a worker that was started again."""
    return {
        name: count - old.get(name, 0) if count >= old.get(name, 0) else count for name, count in new.items()
    }


def _shrink(known: OrderedDict[str, Any], most: int) -> None:
    while len(known) > most:
        known.popitem(last=False)
