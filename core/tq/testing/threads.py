"""Run several functions at once, and let the first failure be the test's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def at_once(calls: Sequence[Callable[[], T]], timeout: float = 120.0) -> list[T]:
    """What each returned, in order. Raises the first exception, or `TimeoutError` after `timeout` seconds."""
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call) for call in calls]
        return [future.result(timeout) for future in futures]
