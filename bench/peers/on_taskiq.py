# /// script
# dependencies = ["taskiq==0.13.*", "taskiq-redis==1.2.*", "hiredis", "uvloop"]
# [tool.bench]
# name = "taskiq"
# tasks = 4000
# [tool.bench.variants.default]
# slow = true
# worker = ["-m", "taskiq", "worker", "on_taskiq:broker", "--workers", "{processes}", "--no-configure-logging"]
# [tool.bench.variants.fast]
# worker = ["-m", "taskiq", "worker", "on_taskiq:broker", "--workers", "{processes}", "--no-configure-logging", "--max-async-tasks", "{wide}", "--max-prefetch", "{wide}", "--no-parse"]
# ///
"""taskiq on Redis streams: its defaults, and with wide limits and no parsing of arguments."""

from __future__ import annotations

import asyncio
import os
import time

import measure
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

URL = os.environ["BENCH_URL"]
RESULTS = os.environ["BENCH_RESULTS"] == "1"

broker = RedisStreamBroker(URL)
if RESULTS:
    broker = broker.with_result_backend(RedisAsyncResultBackend(URL))


@broker.task(task_name="noop")
async def noop() -> int:
    """Nothing but being counted."""
    measure.tick()
    return 0


@broker.task(task_name="wait")
async def wait() -> int:
    """Ten milliseconds of somebody else's time."""
    await asyncio.sleep(0.01)
    measure.tick()
    return 0


async def sending(count: int, task: object) -> float:
    """Seconds for `count` messages, a hundred of them at a time."""
    await broker.startup()
    began = time.perf_counter()
    for start in range(0, count, 100):
        await asyncio.gather(*(task.kiq() for _ in range(min(100, count - start))))  # type: ignore[attr-defined]
    return time.perf_counter() - began


async def one_by_one(count: int) -> float:
    """Messages a second, one after another."""
    await broker.startup()
    return await measure.rate_async(noop.kiq, count)


async def there_and_back(count: int) -> list[float]:
    """Percentiles of a call and its result."""
    await broker.startup()

    async def once() -> None:
        await (await noop.kiq()).wait_result(check_interval=0.001, timeout=30)

    return await measure.percentiles_async(once, count)


if __name__ == "__main__":
    measure.main(
        send=lambda count: asyncio.run(sending(count, noop)),
        send_waits=lambda count: asyncio.run(sending(count, wait)),
        delay=lambda count: asyncio.run(one_by_one(count)),
        round_trip=lambda count: asyncio.run(there_and_back(count)),
    )
