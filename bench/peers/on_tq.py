# /// script
# [tool.bench]
# name = "tq"
# stores = ["redis", "rabbitmq", "postgresql", "sqlite"]
# python = "own"
# [tool.bench.variants.default]
# skips = ["waits", "waits_1000"]
# worker = ["-m", "tq", "-A", "on_tq", "worker", "-c", "{processes}"]
# [tool.bench.variants.events]
# rows = ["drain"]
# worker = ["-m", "tq", "-A", "on_tq", "worker", "-c", "{processes}", "-E"]
# [tool.bench.variants.threads]
# rows = ["waits"]
# worker = ["-m", "tq", "-A", "on_tq", "worker", "-P", "threads", "-c", "{width}"]
# [tool.bench.variants.asyncio]
# rows = ["waits", "waits_1000"]
# env = {BENCH_WAIT = "bench.await"}
# worker = ["-m", "tq", "-A", "on_tq", "worker", "-P", "asyncio", "-c", "{width}"]
# [tool.bench.variants."asyncio in two processes"]
# rows = ["waits_1000"]
# env = {BENCH_WAIT = "bench.await"}
# worker = ["-m", "tq", "-A", "on_tq", "worker", "-P", "asyncio", "-c", "{half}", "--processes", "2"]
# ///
"""tq, with its defaults: every guarantee is on."""

from __future__ import annotations

import asyncio
import os
import time

import celery_like
import measure

from tq import TQ, chord, group

URL = os.environ["BENCH_URL"]
RESULTS = os.environ["BENCH_RESULTS"] == "1"

app = TQ("bench", broker=URL, result_backend=URL if RESULTS else None, task_ignore_result=not RESULTS)


tasks = celery_like.Program(app, group, chord)


@app.task(name="bench.await")
async def await_() -> None:
    """`bench.wait` without a thread."""
    await asyncio.sleep(0.01)
    measure.tick()


@app.task(name="bench.work")
def work(loops: int) -> None:
    """A body that costs something."""
    measure.work(loops)


def send(count: int, task: str = "bench.noop") -> float:
    """Seconds for `count` calls through the bulk API."""
    began = time.perf_counter()
    app.tasks[task].starmap_async(() for _ in range(count))
    return time.perf_counter() - began


def send_work(count: int) -> None:
    """Calls that cost something, through the bulk API."""
    loops = int(os.environ["BENCH_LOOPS"])
    app.tasks["bench.work"].starmap_async((loops,) for _ in range(count))


if __name__ == "__main__":
    measure.main(
        send=send,
        send_waits=lambda count: send(count, os.environ.get("BENCH_WAIT", "bench.wait")),
        send_work=send_work,
        mixed=tasks.mixed,
        delay=tasks.one_by_one,
        round_trip=tasks.round_trip,
        chord=tasks.chords,
    )
