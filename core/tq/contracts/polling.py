"""Looking again and again, for stores that cannot wake a waiter."""

from __future__ import annotations

import time
from collections.abc import Iterator

_GROWTH = 1.5


def looks(timeout: float, first: float, longest: float) -> Iterator[None]:
    """A turn for each look: one at once, then one after each pause, the last when `timeout` seconds are over.

    Pauses grow by half, from `first` to `longest` seconds. Whoever has seen enough leaves the loop.
    """
    until, pause = time.monotonic() + timeout, first
    while True:
        yield
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(pause, left))
        pause = min(pause * _GROWTH, longest)
