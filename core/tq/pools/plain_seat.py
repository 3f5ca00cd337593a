"""A seat in the memory of this process."""

from __future__ import annotations


class PlainSeat:
    """Notes what runs; see `tq.contracts.pool.Seat`."""

    __slots__ = ("consumer_id", "finished", "hard_deadline", "receipt", "soft_deadline", "started")

    def __init__(self) -> None:
        self.consumer_id = ""
        self.receipt = -1
        self.started = 0.0
        self.soft_deadline = 0.0
        self.hard_deadline = 0.0
        self.finished = 0

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
