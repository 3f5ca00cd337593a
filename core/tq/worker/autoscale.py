"""Grows and shrinks a pool between two bounds by what waits, how long it waits, and how many seats are taken.

Wanted are the seats that are taken, and as many more as make what waits start within `TARGET` seconds at the present run
time of a body. It grows at once, at most to the double, and then waits for what that brings. It shrinks only to what was
wanted at any time within `KEEP` seconds; a shrink that had to be taken back makes the next one wait twice as long. So it
follows a load up in seconds and down in minutes, and at a constant load it comes to rest.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from tq.contracts.pool import Pool
from tq.errors import BrokerError
from tq.records import QueueStats

logger = logging.getLogger("tq.worker")

TARGET: Final = 2.0
"""Seconds that a task may wait."""
SETTLE: Final = 3.0
"""Seconds from one growth to the next: new seats have to show what they are worth."""
KEEP: Final = 30.0
"""Seconds that a seat stays after it was last wanted, at first."""
LONGEST: Final = 600.0
"""The same, at most."""
LOOK: Final = 2.0
"""Seconds between two looks into the queues."""
_TAKEN: Final = 0.75
"""Part of the seats that are taken, on average, when more are needed."""
_SMOOTH: Final = 0.4
"""Weight of the newest look in averages."""


class Load(msgspec.Struct, frozen=True):
    """What one look found. `now` are monotonic seconds; `ready` messages wait for `consumers` of all workers, the oldest for
    `age` seconds; None where the broker cannot say."""

    now: float
    busy: int
    finished: int
    ready: int | None = None
    consumers: int | None = None
    age: float | None = None


class Autoscaler:
    """`tick` looks once; called about each second. `look` reads the worker's queues."""

    def __init__(
        self,
        largest: int,
        smallest: int,
        look: Callable[[], Sequence[QueueStats]] | None = None,
    ) -> None:
        self._largest, self._smallest = max(largest, smallest, 1), max(1, min(largest, smallest))
        self.size = self._smallest
        self.look = look
        self._seen: tuple[float, int | None, int | None, float | None] = (-LOOK, None, None, None)
        self._last: Load | None = None
        self._busy = 0.0
        self._run_time: float | None = None
        self._wanted: deque[tuple[float, int]] = deque()
        self._grows_at = 0.0
        self._keep = KEEP
        self._shrunk_at = -math.inf

    def tick(self, pool: Pool) -> None:
        """Look, and resize the pool where that is needed."""
        seats = pool.seats()
        now = time.monotonic()
        ready, consumers, age = self._queues(now)
        before = self.size
        load = Load(
            now,
            sum(seat.receipt >= 0 for seat in seats),
            sum(seat.finished for seat in seats),
            ready,
            consumers,
            age,
        )
        if self.decide(load) != before:
            logger.info("autoscale: %d seats instead of %d", self.size, before)
            pool.resize(self.size)

    def decide(self, load: Load) -> int:
        """The size from now on."""
        self._observe(load)
        want = self._want(load)
        self._wanted.append((load.now, want))
        while self._wanted[0][0] < load.now - self._keep:
            self._wanted.popleft()
        if want > self.size:
            self._grow(want, load.now)
        else:
            self._shrink(load.now)
        self.size = max(self._smallest, min(self.size, self._largest))
        return self.size

    def update(self, largest: int | None, smallest: int | None) -> tuple[int, int]:
        """Other bounds, from the next tick on; None leaves one as it is. Raises `ValueError`."""
        most = self._largest if largest is None else int(largest)
        least = self._smallest if smallest is None else max(1, int(smallest))
        if most < least:
            raise ValueError(f"max={most} is less than min={least}")
        self._largest, self._smallest = most, least
        return most, least

    def info(self) -> dict[str, Any]:
        """Celery's dictionary for `inspect stats`."""
        busy = self._last.busy if self._last is not None else 0
        return {"max": self._largest, "min": self._smallest, "current": self.size, "qty": busy}

    # -- parts ---------------------------------------------------------------------------------------------

    def _observe(self, load: Load) -> None:
        """Averages of taken seats and of the run time of a body."""
        last, self._last = self._last, load
        self._busy += _SMOOTH * (load.busy - self._busy)
        # Children that are replaced count from 0 again.
        if last is None or load.finished <= last.finished or load.now <= last.now:
            return
        seen = self._busy * (load.now - last.now) / (load.finished - last.finished)
        self._run_time = (
            seen if self._run_time is None else self._run_time + _SMOOTH * (seen - self._run_time)
        )

    def _want(self, load: Load) -> int:
        if self._busy < _TAKEN * self.size:
            return load.busy
        if load.ready is None:
            return load.busy + (load.busy >= self.size)
        share = load.ready * self.size / max(load.consumers or 0, self.size)
        run_time = TARGET if self._run_time is None else self._run_time
        more = int(share * run_time / TARGET + 0.5)
        late = load.ready > 0 and (load.age or 0.0) > TARGET
        return max(load.busy, self.size) + max(more, int(late)) if more or late else load.busy

    def _grow(self, want: int, now: float) -> None:
        if now < self._grows_at or self.size >= self._largest:
            return
        if now - self._shrunk_at < 2 * self._keep:
            self._keep = min(2 * self._keep, LONGEST)
            self._shrunk_at = -math.inf
        self.size = min(want, 2 * self.size, self._largest)
        self._grows_at = now + SETTLE

    def _shrink(self, now: float) -> None:
        first, _ = self._wanted[0]
        if now - first < self._keep - 2 * LOOK or self.size <= self._smallest:
            return
        most = max(want for _, want in self._wanted)
        if most < self.size:
            self.size, self._shrunk_at = max(most, self._smallest), now
            self._wanted.clear()
            self._wanted.append((now, most))

    def _queues(self, now: float) -> tuple[int | None, int | None, float | None]:
        """What waits, for how many, how long; read anew when the last look is old."""
        if self.look is not None and now - self._seen[0] >= LOOK:
            try:
                stats = self.look()
            except BrokerError as exc:
                logger.warning("autoscale: the queues could not be read: %s", exc)
                stats = ()
            self._seen = (now, *summed(stats))
        return self._seen[1:]


def summed(stats: Sequence[QueueStats]) -> tuple[int | None, int | None, float | None]:
    """Messages, consumers and the oldest age of all queues."""
    if not stats:
        return None, None, None
    consumers = max((each.consumers or 0 for each in stats), default=0)
    age = max((each.oldest_age or 0.0 for each in stats), default=0.0)
    return sum(each.ready for each in stats), consumers, age
