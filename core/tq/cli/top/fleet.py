"""The model of `tq top`: takes events and polls as they come, and makes pictures of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from tq.cli.top.counts import Count, EventCounts, grown, tallies
from tq.cli.top.poll import Poll
from tq.cli.top.records import Snapshot
from tq.cli.top.rows import Rates, RowMaker, totals_of
from tq.events.event import Event
from tq.events.nodes import Worker
from tq.events.state import State

REMEMBERED = 60.0
"""Seconds for which a worker that went without a word is still shown."""
MOST_RUNNING = 1000


class Fleet:
    """Safe for threads. `limits` are sentences about what cannot be seen here."""

    def __init__(
        self,
        broker: str = "",
        limits: Sequence[str] = (),
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        asks: bool = True,
    ) -> None:
        self._broker = broker
        self._limits = list(limits)
        self._asks = asks and not any("broadcast" in limit for limit in limits)
        self._now = now
        self._monotonic = monotonic
        self._state = State(now=now, max_workers_in_memory=2000, on_node_leave=self._left)
        self._counts = EventCounts()
        self._names: dict[str, Count] = {}
        """Event counts at the last poll."""
        self._begun: dict[str, int] = {}
        self._counted = 0.0
        """When these were copied, by the monotonic clock."""
        self._polled, self._polled_at = Poll(0.0), 0.0
        self._tally: dict[str, dict[str, int]] = {}
        self._seen: dict[str, float] = {}
        self._rates = Rates()
        self._first = True
        self._trouble: str | None = None
        self._mutex = threading.Lock()

    def heard(self, event: Event) -> None:
        """Take an event; one without the fields of its kind changes nothing."""
        with self._mutex:
            self._state.event(event)
            group, _, kind = str(event.get("type", "")).partition("-")
            worker, uuid = event.get("hostname"), event.get("uuid")
            if group != "task" or kind == "sent" or not isinstance(uuid, str) or not isinstance(worker, str):
                return
            task = self._state.tasks.get(uuid)
            name = task.name if task is not None and isinstance(task.name, str) else None
            self._counts.add(kind, name, worker, event.get("runtime"))

    def polled(self, poll: Poll) -> None:
        """Take the answers to a round of questions. One that failed leaves what was known, and says why."""
        with self._mutex:
            self._trouble = poll.trouble
            if poll.trouble is not None:
                return
            tally = tallies(poll.stats)
            if not self._first:
                self._rates = self._measured(tally, poll.at - self._polled.at)
            self._first, self._counted = False, self._monotonic()
            self._tally.update(tally)
            self._names = {name: count.copy() for name, count in self._counts.names.items()}
            self._begun = dict(self._counts.workers)
            self._polled, self._polled_at = poll, self._now()
            self._note_seen(poll)

    def workers(self) -> list[str]:
        """Those whose heartbeats come."""
        return [worker.hostname for worker in self._state.alive_workers()]

    def snapshot(self) -> Snapshot:
        """A picture of what is known now."""
        with self._mutex:
            rows = RowMaker(self._polled, self._polled_at, self._state, self._rates, self._now())
            workers = rows.workers(self._seen, self._counts.workers)
            running = rows.running()
            tasks = rows.tasks(self._counts.names)
            return Snapshot(
                at=self._now(),
                broker=self._broker,
                totals=totals_of(workers, self._polled.queues, self._rates),
                queues=self._polled.queues,
                workers=workers,
                tasks=tasks,
                running=running[:MOST_RUNNING],
                events=self._state.event_count,
                trouble=self._trouble,
                notes=self._notes(len(workers), sum(row.sends_events for row in workers)),
            )

    def _measured(self, tally: dict[str, dict[str, int]], seconds: float) -> Rates:
        heard = max(self._monotonic() - self._counted, 1e-3)
        growth = {w: grown(counts, self._tally[w]) for w, counts in tally.items() if w in self._tally}
        events = {n: count.since(self._names.get(n, Count())) for n, count in self._counts.names.items()}
        begun = grown(self._counts.workers, self._begun)
        silent = {worker: count for worker, count in begun.items() if worker not in tally}
        return Rates.of(growth, max(seconds, 1e-3), events, silent, heard)

    def _note_seen(self, poll: Poll) -> None:
        now = self._now()
        for worker in [*poll.stats, *self.workers()]:
            self._seen[worker] = now
        self._seen = {worker: at for worker, at in self._seen.items() if now - at <= REMEMBERED}
        self._tally = {worker: counts for worker, counts in self._tally.items() if worker in self._seen}

    def _left(self, worker: Worker) -> None:
        self._seen.pop(worker.hostname, None)

    def _notes(self, workers: int, talking: int) -> list[str]:
        notes = list(self._limits)
        if not self._asks or self._trouble is not None:
            return notes
        if self._first:
            return [*notes, "asking"]
        if not workers:
            notes.append("no worker answered: start one with `tq worker`, or ask longer with -t")
        elif talking < workers:
            notes.append(
                f"events of tasks came from {talking} of {workers} workers so far; outcomes and run times need them: "
                "press e, or run `tq control enable_events` or workers with -E"
            )
        return notes
