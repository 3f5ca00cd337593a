"""A seat in the memory of this process; see `tq.contracts.pool.Seat`."""

from __future__ import annotations

import time

from tq.pools.plain_seat import PlainSeat


class LocalSeat(PlainSeat):
    """What runs on one slot of this process, and when its engine last asked for messages."""

    __slots__ = ("came_round",)

    def __init__(self) -> None:
        super().__init__()
        self.came_round = 0.0

    def come_round(self) -> None:
        """The engine is about to ask for messages."""
        self.came_round = time.monotonic()
