"""Grows and shrinks a pool between two bounds by how many of its seats are taken."""

from __future__ import annotations

import logging
import time

from tq.contracts.pool import Pool

logger = logging.getLogger("tq.worker")

KEEP = 30.0
"""Seconds that a seat stays after it was last needed."""


class Autoscaler:
    """`tick` looks once; called about each second."""

    def __init__(self, largest: int, smallest: int) -> None:
        self._largest, self._smallest = max(largest, smallest, 1), max(1, min(largest, smallest))
        self._size = self._smallest
        self._needed_at = time.monotonic()

    def tick(self, pool: Pool) -> None:
        """All seats taken: one more. Seats free for a while: one less."""
        busy = sum(seat.receipt >= 0 for seat in pool.seats())
        now = time.monotonic()
        if busy >= self._size:
            self._needed_at = now
            self._resize(pool, self._size + 1)
        elif now - self._needed_at > KEEP:
            self._needed_at = now
            self._resize(pool, self._size - 1)

    def _resize(self, pool: Pool, size: int) -> None:
        size = max(self._smallest, min(size, self._largest))
        if size != self._size:
            logger.info("autoscale: %d seats instead of %d", size, self._size)
            self._size = size
            pool.resize(size)
