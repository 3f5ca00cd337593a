"""Rows of a picture, made of replies and events; both come from the network and may hold anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tq import states
from tq.cli.top.counts import Count
from tq.cli.top.poll import Poll
from tq.cli.top.records import Presence, RunningRow, TaskRow, Totals, WorkerRow
from tq.events.nodes import Worker, number
from tq.events.state import State
from tq.records import QueueStats
from tq.wire.saferepr import saferepr

LONGEST = 200
"""Characters of a name or of arguments that are shown."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Per second, over the time between the last two polls."""

    workers: Mapping[str, float] = field(default_factory=dict)
    begun: Mapping[str, float] = field(default_factory=dict)
    """Tasks begun by name: as workers count them, else by events."""
    events: Mapping[str, Count] = field(default_factory=dict)
    seconds: float = 0.0
    """Within which the events came."""

    @classmethod
    def of(
        cls,
        growth: Mapping[str, Mapping[str, int]],
        seconds: float,
        events: Mapping[str, Count],
        by_events: Mapping[str, int],
        heard: float,
    ) -> Rates:
        """`growth`: tasks begun within `seconds` of each worker that counts itself; `events` came within `heard`
        seconds; `by_events`: tasks begun of the other workers."""
        workers = {worker: count / heard for worker, count in by_events.items()}
        workers |= {worker: sum(counts.values()) / seconds for worker, counts in growth.items()}
        begun: dict[str, float] = {} if growth else {n: c.started / heard for n, c in events.items()}
        for counts in growth.values():
            for name, count in counts.items():
                begun[name] = begun.get(name, 0.0) + count / seconds
        return cls(workers, begun, events, heard)


class RowMaker:
    """For one picture, drawn at `now`; the poll was answered at `asked`."""

    def __init__(self, poll: Poll, asked: float, state: State, rates: Rates, now: float) -> None:
        self._poll = poll
        self._asked = asked
        self._state = state
        self._rates = rates
        self._now = now

    def workers(self, seen: Iterable[str], talking: Mapping[str, int]) -> list[WorkerRow]:
        """In order of names."""
        alive = {worker.hostname: worker for worker in self._state.alive_workers()}
        names = sorted({*self._poll.stats, *alive, *seen})
        return [self._worker(name, alive.get(name), name in talking) for name in names]

    def _worker(self, name: str, heard: Worker | None, talks: bool) -> WorkerRow:
        reply = self._poll.stats.get(name)
        stats: dict[str, Any] = reply if isinstance(reply, dict) else {}
        presence = Presence.ONLINE if stats else Presence.SILENT if heard is not None else Presence.LOST
        pool = stats.get("pool") if isinstance(stats.get("pool"), dict) else {}
        total = stats.get("total") if isinstance(stats.get("total"), dict) else None
        active = self._poll.active.get(name)
        beat = heard.loadavg if heard is not None else None
        return WorkerRow(
            name=name[:LONGEST],
            presence=presence,
            pool=_pool_name((pool or {}).get("implementation")),
            slots=_count((pool or {}).get("max-concurrency")),
            running=len(active) if isinstance(active, list) else _count(heard.active if heard else None),
            processed=_sum(total) if total is not None else _count(heard.processed if heard else None),
            rate=self._rates.workers.get(name),
            load=number(beat[0], 0.0) if isinstance(beat, list | tuple) and beat else None,
            sends_events=talks,
        )

    def running(self) -> list[RunningRow]:
        """What runs, the longest first: as workers answer, else by events."""
        rows = [
            self._running(worker, info)
            for worker, reply in self._poll.active.items()
            if isinstance(reply, list)
            for info in reply
            if isinstance(info, dict)
        ]
        for uuid, task in self._state.itertasks():
            worker = task.worker
            if task.state != states.STARTED or worker is None or not worker.alive:
                continue
            if worker.hostname not in self._poll.active:
                began = number(task.started, 0.0)
                rows.append(
                    RunningRow(
                        uuid[:LONGEST],
                        _text(task.name or "?"),
                        worker.hostname[:LONGEST],
                        _since(began, self._now),
                        _text(task.args or ""),
                    )
                )
        return sorted(rows, key=lambda row: -(row.seconds or 0.0))

    def _running(self, worker: str, info: Mapping[str, Any]) -> RunningRow:
        args = info.get("args")
        return RunningRow(
            id=_text(info.get("id")),
            name=_text(info.get("name")),
            worker=worker[:LONGEST],
            seconds=_since(number(info.get("time_start"), 0.0), self._asked),
            args=_text(args) if isinstance(args, str) else saferepr(args, LONGEST),
        )

    def tasks(self, counts: Mapping[str, Count]) -> list[TaskRow]:
        """In order of names."""
        rates = self._rates
        rows = []
        for name in sorted({*counts, *rates.begun}):
            ever, recent = counts.get(name), rates.events.get(name)
            rows.append(
                TaskRow(
                    name=name[:LONGEST],
                    started=rates.begun.get(name, 0.0) if rates.seconds else None,
                    succeeded=_rate(recent, "succeeded", rates.seconds),
                    failed=_rate(recent, "failed", rates.seconds),
                    retried=_rate(recent, "retried", rates.seconds),
                    mean_runtime=(recent.mean if recent else None) or (ever.mean if ever else None),
                )
            )
        return rows


def totals_of(workers: Sequence[WorkerRow], queues: Sequence[QueueStats], rates: Rates) -> Totals:
    """Sums of these rows."""
    present = [row for row in workers if row.presence is not Presence.LOST]
    return Totals(
        workers=len(present),
        slots=_all(row.slots for row in present),
        running=_all(row.running for row in present),
        processed=_all(row.processed for row in present),
        rate=sum(rates.workers.values()) if rates.seconds else None,
        ready=sum(queue.ready for queue in queues) if queues else None,
        oldest_age=max((q.oldest_age for q in queues if q.oldest_age is not None), default=None),
    )


def _since(began: float, now: float) -> float | None:
    return max(0.0, now - began) if began > 0 else None


def _all(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _rate(count: Count | None, kind: str, seconds: float) -> float | None:
    return getattr(count, kind) / seconds if count is not None and seconds else None


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 1e15 else None


def _sum(total: Mapping[Any, Any]) -> int:
    return sum(value for value in total.values() if _count(value) is not None)


def _pool_name(implementation: object) -> str | None:
    """`tq_prefork.pool:PreforkPool` is prefork, as `celery.concurrency.prefork:TaskPool` is."""
    if not isinstance(implementation, str):
        return None
    module, _, kind = implementation.rpartition(":")
    known = kind.removesuffix("Pool").lower()
    return _text(known if known and known != "task" else module.rpartition(".")[2] or implementation)


def _text(value: object) -> str:
    return str(value)[:LONGEST] if isinstance(value, str | int | float) else "?"
