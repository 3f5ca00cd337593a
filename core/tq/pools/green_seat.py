"""A seat of a greenlet: the timer of its library keeps the soft time limit."""

from __future__ import annotations

import time
from collections.abc import Callable

from tq.errors import SoftTimeLimitExceeded
from tq.pools.plain_seat import PlainSeat

Arm = Callable[[float, BaseException], Callable[[], None]]
"""Raise this exception in the calling greenlet after so many seconds; returns what prevents it."""


class GreenSeat(PlainSeat):
    """Greenlets change places only where they wait, so a timer between `begin` and `end` hits the body alone."""

    __slots__ = ("_arm", "_disarm")

    def __init__(self, arm: Arm) -> None:
        super().__init__()
        self._arm = arm
        self._disarm: Callable[[], None] | None = None

    def begin(self, receipt: int, started: float, soft_deadline: float, hard_deadline: float) -> None:
        """A body starts on this greenlet."""
        super().begin(receipt, started, soft_deadline, hard_deadline)
        if soft_deadline:
            seconds = max(soft_deadline - time.monotonic(), 0.0)
            self._disarm = self._arm(seconds, SoftTimeLimitExceeded(soft_deadline - started))

    def end(self) -> None:
        """It ended; the timer is off."""
        if self._disarm is not None:
            self._disarm()
            self._disarm = None
        super().end()
