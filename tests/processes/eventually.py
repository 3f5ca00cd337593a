"""Waiting for conditions instead of for time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
GENEROUS = 60.0


class NotInTime(AssertionError):
    """A condition did not hold within its time."""


def eventually(
    condition: Callable[[], T],
    what: str | Callable[[], str],
    *,
    seconds: float = GENEROUS,
    every: float = 0.05,
) -> T:
    """Return the first true value of `condition`; fail with `what` when none comes within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise NotInTime(
                f"not within {seconds:g} s: {what() if callable(what) else what}; last {value!r:.2000}"
            )
        time.sleep(every)
