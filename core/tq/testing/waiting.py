"""Waiting for conditions instead of for time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
GENEROUS = 60.0
"""Seconds that no machine needs, however much it has to do."""


class NotInTime(AssertionError):
    """A condition did not hold within its time."""


def eventually(
    condition: Callable[[], T],
    what: str | Callable[[], str],
    *,
    seconds: float = GENEROUS,
    every: float = 0.01,
) -> T:
    """Return the first true value of `condition`; fail with `what` when none comes within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            why = what() if callable(what) else what
            raise NotInTime(f"did not happen within {seconds:g} s: {why}; last {value!r:.2000}")
        time.sleep(every)
    return value


def survive(call: Callable[[], T], error: type[Exception], *, seconds: float = 30.0, every: float = 0.1) -> T:
    """Call again while this error says that a store is away, as a worker does. Raises it after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call()
        except error:
            if time.monotonic() > deadline:
                raise
            time.sleep(every)
