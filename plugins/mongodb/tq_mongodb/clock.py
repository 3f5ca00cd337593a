"""The server's clock as seen from here. What a slow answer says of it may be wrong by half the time that it took: leases
that are counted from such a clock are over before they begin."""

from __future__ import annotations

import time
from collections.abc import Callable

_FRESH = 10.0
"""Seconds for which a measurement counts."""
_QUICK, _SLOW, _TRIES = 0.3, 1.0, 3
"""Seconds: an answer within the first will do; with the best of some tries above the second, it is asked again soon."""
_JUMP = 0.5
"""Seconds by which this machine's two clocks may part before it counts as moved, or as having been asleep."""


class Clock:
    """`ask` returns unix seconds by the server's clock; any number of threads may read."""

    def __init__(self, ask: Callable[[], float]) -> None:
        self._ask = ask
        self._known = (0.0, 0.0, 0.0)

    def now(self) -> float:
        """Unix seconds by the server's clock. Raises what `ask` does."""
        until, offset, apart = self._known
        if time.monotonic() > until or abs(_apart() - apart) > _JUMP:
            offset = self._measure()
        return time.monotonic() + offset

    def _measure(self) -> float:
        shortest, offset = float("inf"), 0.0
        for _ in range(_TRIES):
            asked = time.monotonic()
            told = self._ask()
            answered = time.monotonic()
            if answered - asked < shortest:
                shortest, offset = answered - asked, told - (asked + answered) / 2
            if shortest <= _QUICK:
                break
        fresh = _FRESH if shortest <= _SLOW else _FRESH / 10
        self._known = (time.monotonic() + fresh, offset, _apart())
        return offset


def _apart() -> float:
    return time.time() - time.monotonic()
