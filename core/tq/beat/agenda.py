"""The leader's memory: all entries, and in which order they are due."""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass

from tq.beat.form import schedule_from
from tq.beat.plan import mend
from tq.beat.schedule import BaseSchedule
from tq.beat.zones import zone_of
from tq.contracts.schedules import Entry, Row, State
from tq.errors import ImproperlyConfigured

logger = logging.getLogger("tq.beat")

QUEUE_LOOK = 1.0
"""Seconds between two looks whether the run has ended for which others wait."""


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One row with what it means."""

    entry: Entry
    state: State
    revision: int
    schedule: BaseSchedule
    zone: dt.tzinfo
    grace: float


class Agenda:
    """A heap of due times; what was replaced stays in it until it comes up."""

    def __init__(self, zone: dt.tzinfo, grace: float) -> None:
        self._zone = zone
        self._grace = grace
        self._items: dict[str, Item] = {}
        self._heap: list[tuple[float, int, Item]] = []
        self._count = itertools.count()
        self._now = 0.0
        self._wrong: set[tuple[str, int]] = set()

    def load(self, rows: Iterable[Row], now: float) -> None:
        """Take these rows in place of all others."""
        self._items, self._heap, self._now = {}, [], now
        for row in rows:
            item = self._item(row)
            if item is not None:
                self._put(item)

    def mended(self) -> list[tuple[Item, State]]:
        """Those whose state has to be another one before anything is sent."""
        found = []
        for item in self._items.values():
            state = mend(item.state, item.schedule, now=self._now, zone=item.zone, grace=item.grace)
            if state != item.state:
                found.append((item, state))
        return found

    def _item(self, row: Row) -> Item | None:
        entry = row.entry
        if not entry.enabled:
            return None
        try:
            schedule = schedule_from(entry.schedule)
            zone = zone_of(entry.zone) if entry.zone is not None else self._zone
        except ImproperlyConfigured as exc:
            if (entry.name, row.revision) not in self._wrong:
                self._wrong.add((entry.name, row.revision))
                logger.error("the entry %s is left out: %s", entry.name, exc)
            return None
        grace = self._grace if entry.grace is None else entry.grace
        return Item(entry, row.state, row.revision, schedule, zone, grace)

    def due(self, now: float) -> list[Item]:
        """Take out what is due now, oldest first."""
        self._now = now
        found = []
        while self._heap and self._heap[0][0] <= now:
            item = heapq.heappop(self._heap)[2]
            if self.has(item):
                found.append(item)
        return found

    def has(self, item: Item) -> bool:
        """Whether this is still what is known of the entry."""
        return self._items.get(item.entry.name) is item

    def wait(self, item: Item) -> None:
        """Put back what was taken and could not go on."""
        self._push(item)

    def advance(self, item: Item, state: State) -> None:
        """The state of an entry was written."""
        self._put(Item(item.entry, state, item.revision + 1, item.schedule, item.zone, item.grace))

    def next_time(self) -> float:
        """When something is due next; infinite for never."""
        while self._heap and not self.has(self._heap[0][2]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def __len__(self) -> int:
        return len(self._items)

    def _put(self, item: Item) -> None:
        self._items[item.entry.name] = item
        self._push(item)

    def _push(self, item: Item) -> None:
        times = [] if item.state.next_due is None else [item.state.next_due]
        if item.state.queued:
            times.append(self._now + QUEUE_LOOK)
        if times:
            heapq.heappush(self._heap, (min(times), next(self._count), item))
