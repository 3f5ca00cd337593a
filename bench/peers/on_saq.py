# /// script
# dependencies = ["saq[redis]==0.26.*", "typing_extensions", "hiredis", "uvloop"]
# [tool.bench]
# name = "saq"
# tasks = 5000
# [tool.bench.variants.default]
# slow = true
# worker = ["-m", "saq", "on_saq.settings", "--workers", "{processes}"]
# [tool.bench.variants.fast]
# env = {BENCH_FAST = "1"}
# worker = ["-m", "saq", "on_saq.settings", "--workers", "{processes}"]
# ///
"""saq: its defaults, and with a wide limit."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import measure
from saq import Queue

RESULTS = os.environ["BENCH_RESULTS"] == "1"
WIDTH = int(os.environ.get("BENCH_WIDTH", "1"))
FAST = bool(os.environ.get("BENCH_FAST"))
queue = Queue.from_url(os.environ["BENCH_URL"])
KEEP = 600 if RESULTS else -1


async def noop(ctx: dict[str, Any]) -> int:
    """Nothing but being counted."""
    measure.tick()
    return 0


async def wait(ctx: dict[str, Any]) -> int:
    """Ten milliseconds of somebody else's time."""
    await asyncio.sleep(0.01)
    measure.tick()
    return 0


settings: dict[str, Any] = {"queue": queue, "functions": [noop, wait]}
if FAST or WIDTH > 1:
    settings["concurrency"] = max(WIDTH, 100 if FAST else 1)


async def sending(count: int, name: str) -> float:
    """Seconds for `count` jobs, a hundred of them at a time."""
    await queue.connect()
    began = time.perf_counter()
    for start in range(0, count, 100):
        await asyncio.gather(*(queue.enqueue(name, ttl=KEEP) for _ in range(min(100, count - start))))
    return time.perf_counter() - began


async def one_by_one(count: int) -> float:
    """Jobs a second, one after another."""
    await queue.connect()
    return await measure.rate_async(lambda: queue.enqueue("noop", ttl=KEEP), count)


async def there_and_back(count: int) -> list[float]:
    """Percentiles of a call and its result."""
    await queue.connect()
    return await measure.percentiles_async(lambda: queue.apply("noop"), count)


if __name__ == "__main__":
    measure.main(
        send=lambda count: asyncio.run(sending(count, "noop")),
        send_waits=lambda count: asyncio.run(sending(count, "wait")),
        delay=lambda count: asyncio.run(one_by_one(count)),
        round_trip=lambda count: asyncio.run(there_and_back(count)),
    )
