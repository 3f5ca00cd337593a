# /// script
# dependencies = ["arq==0.28.*", "hiredis", "uvloop"]
# [tool.bench]
# name = "arq"
# tasks = 5000
# [tool.bench.variants.default]
# slow = true
# worker = ["-m", "arq", "on_arq.WorkerSettings"]
# processes = 1
# [tool.bench.variants.fast]
# env = {BENCH_FAST = "1"}
# worker = ["-m", "arq", "on_arq.WorkerSettings"]
# processes = 1
# ///
"""arq: its defaults, and with a wide limit and a short poll."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any, ClassVar

import measure
from arq import create_pool
from arq.connections import RedisSettings

SETTINGS = RedisSettings.from_dsn(os.environ["BENCH_URL"])
RESULTS = os.environ["BENCH_RESULTS"] == "1"
WIDTH = int(os.environ.get("BENCH_WIDTH", "1"))


async def noop(ctx: dict[str, Any]) -> int:
    """Nothing but being counted."""
    measure.tick()
    return 0


async def wait(ctx: dict[str, Any]) -> int:
    """Ten milliseconds of somebody else's time."""
    await asyncio.sleep(0.01)
    measure.tick()
    return 0


class WorkerSettings:
    """Read by arq's command line."""

    functions: ClassVar[list[Any]] = [noop, wait]
    redis_settings = SETTINGS
    keep_result = 3600 if RESULTS else 0
    log_results = False
    if os.environ.get("BENCH_FAST"):
        max_jobs = max(WIDTH, 250)
        poll_delay = 0.005
    elif WIDTH > 1:
        max_jobs = WIDTH


async def sending(count: int, name: str) -> float:
    """Seconds for `count` jobs, a hundred of them at a time."""
    pool = await create_pool(SETTINGS)
    began = time.perf_counter()
    for start in range(0, count, 100):
        await asyncio.gather(*(pool.enqueue_job(name) for _ in range(min(100, count - start))))
    return time.perf_counter() - began


async def one_by_one(count: int) -> float:
    """Jobs a second, one after another."""
    pool = await create_pool(SETTINGS)
    return await measure.rate_async(lambda: pool.enqueue_job("noop"), count)


async def there_and_back(count: int) -> list[float]:
    """Percentiles of a call and its result."""
    pool = await create_pool(SETTINGS)

    async def once() -> None:
        job = await pool.enqueue_job("noop")
        assert job is not None
        await job.result(timeout=30, poll_delay=0.001)

    return await measure.percentiles_async(once, count)


if __name__ == "__main__":
    measure.main(
        send=lambda count: asyncio.run(sending(count, "noop")),
        send_waits=lambda count: asyncio.run(sending(count, "wait")),
        delay=lambda count: asyncio.run(one_by_one(count)),
        round_trip=lambda count: asyncio.run(there_and_back(count)),
    )
