# /// script
# dependencies = ["streaq==7.2.*", "hiredis", "uvloop"]
# [tool.bench]
# name = "streaq"
# tasks = 6000
# [tool.bench.variants.default]
# slow = true
# worker = ["-m", "streaq", "run", "on_streaq:worker"]
# processes = 1
# [tool.bench.variants.fast]
# env = {BENCH_FAST = "1"}
# worker = ["-m", "streaq", "run", "on_streaq:worker"]
# processes = 1
# ///
"""streaq: its defaults, and with a wide limit."""

from __future__ import annotations

import asyncio
import os
import time

import measure
from streaq import Worker

RESULTS = os.environ["BENCH_RESULTS"] == "1"
WIDTH = int(os.environ.get("BENCH_WIDTH", "1"))
options = {"concurrency": max(WIDTH, 100)} if os.environ.get("BENCH_FAST") or WIDTH > 1 else {}
worker: Worker = Worker(redis_url=os.environ["BENCH_URL"], **options)
KEEP = 300 if RESULTS else 0


@worker.task(ttl=KEEP)
async def noop() -> int:
    """Nothing but being counted."""
    measure.tick()
    return 0


@worker.task(ttl=KEEP)
async def wait() -> int:
    """Ten milliseconds of somebody else's time."""
    await asyncio.sleep(0.01)
    measure.tick()
    return 0


async def sending(count: int, task: object) -> float:
    """Seconds for `count` tasks through `enqueue_many`."""
    async with worker:
        began = time.perf_counter()
        for start in range(0, count, 1000):
            await worker.enqueue_many([task.enqueue() for _ in range(min(1000, count - start))])  # type: ignore[attr-defined]
        return time.perf_counter() - began


async def one_by_one(count: int) -> float:
    """Tasks a second, one after another."""

    async def once() -> None:
        await noop.enqueue()

    async with worker:
        return await measure.rate_async(once, count)


async def there_and_back(count: int) -> list[float]:
    """Percentiles of a call and its result."""

    async def once() -> None:
        await (await noop.enqueue()).result(30)

    async with worker:
        return await measure.percentiles_async(once, count)


if __name__ == "__main__":
    measure.main(
        send=lambda count: asyncio.run(sending(count, noop)),
        send_waits=lambda count: asyncio.run(sending(count, wait)),
        delay=lambda count: asyncio.run(one_by_one(count)),
        round_trip=lambda count: asyncio.run(there_and_back(count)),
    )
