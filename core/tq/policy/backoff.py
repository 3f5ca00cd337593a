"""Waiting times between attempts.

Source of full jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator


def backoff(
    retries: int,
    *,
    factor: float = 1.0,
    maximum: float = 600.0,
    jitter: bool = True,
    uniform: Callable[[float, float], float] = random.uniform,
) -> float:
    """Seconds to wait after `retries` failed attempts: `factor * 2**retries`, at most `maximum`; with
    `jitter` a random time between 0 and that."""
    # 2.0 ** 1024 overflows, and any factor that matters is at the maximum long before.
    ceiling = min(maximum, factor * 2.0 ** min(retries, 64))
    return uniform(0.0, ceiling) if jitter else ceiling


def reconnect_delays(*, first: float = 0.1, maximum: float = 5.0) -> Iterator[float]:
    """Endless pauses between attempts to reach a server: doubling, between half and the whole of each."""
    delay = first
    while True:
        yield random.uniform(delay / 2, delay)
        delay = min(maximum, delay * 2)
