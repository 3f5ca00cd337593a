"""A seat in the memory of this process; see `tq.contracts.pool.Seat`."""

from __future__ import annotations

import time


class LocalSeat:
    """What runs on one slot of this process."""

    __slots__ = (
        "came_round",
        "consumer_id",
        "finished",
        "hard_deadline",
        "receipt",
        "soft_deadline",
        "started",
    )

    def __init__(self) -> None:
        self.consumer_id = ""
        self.receipt = -1
        self.started = 0.0
        self.soft_deadline = 0.0
        self.hard_deadline = 0.0
        self.finished = 0
        self.came_round = 0.0

    def come_round(self) -> None:
        """The engine is about to ask for messages."""
        self.came_round = time.monotonic()

    def begin(self, receipt: int, started: float, soft_deadline: float, hard_deadline: float) -> None:
        """A body starts."""
        self.started = started
        self.soft_deadline = soft_deadline
        self.hard_deadline = hard_deadline
        self.receipt = receipt

    def end(self) -> None:
        """It ended; a second call does nothing."""
        if self.receipt != -1:
            self.receipt = -1
            self.finished += 1
