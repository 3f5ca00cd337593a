"""Grows and shrinks a pool between two bounds by how many of its seats are taken."""

from __future__ import annotations

import logging
import time
from typing import Any

from tq.contracts.pool import Pool

logger = logging.getLogger("tq.worker")

KEEP = 30.0
"""Seconds that a seat stays after it was last needed."""


class Autoscaler:
    """`tick` looks once; called about each second."""

    def __init__(self, largest: int, smallest: int) -> None:
        self._largest, self._smallest = max(largest, smallest, 1), max(1, min(largest, smallest))
        self._size = self._smallest
        self._busy = 0
        self._needed_at = time.monotonic()

    def tick(self, pool: Pool) -> None:
        """All seats taken: one more. Seats free for a while: one less."""
        busy = self._busy = sum(seat.receipt >= 0 for seat in pool.seats())
        now = time.monotonic()
        if busy >= self._size:
            self._needed_at = now
            self._resize(pool, self._size + 1)
        elif now - self._needed_at > KEEP:
            self._needed_at = now
            self._resize(pool, self._size - 1)

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
        return {"max": self._largest, "min": self._smallest, "current": self._size, "qty": self._busy}

    def _resize(self, pool: Pool, size: int) -> None:
        size = max(self._smallest, min(size, self._largest))
        if size != self._size:
            logger.info("autoscale: %d seats instead of %d", size, self._size)
            self._size = size
            pool.resize(size)
