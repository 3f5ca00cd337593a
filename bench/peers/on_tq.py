# /// script
# [tool.bench]
# name = "tq"
# stores = ["redis", "postgresql", "sqlite"]
# python = "own"
# [tool.bench.variants.default]
# worker = ["-m", "tq", "-A", "on_tq", "worker", "-c", "{processes}"]
# [tool.bench.variants.events]
# rows = ["drain"]
# worker = ["-m", "tq", "-A", "on_tq", "worker", "-c", "{processes}", "-E"]
# [tool.bench.variants.threads]
# rows = ["waits"]
# worker = ["-m", "tq", "-A", "on_tq", "worker", "-P", "threads", "-c", "{width}"]
# [tool.bench.variants.asyncio]
# rows = ["waits"]
# env = {BENCH_WAIT = "bench.await"}
# worker = ["-m", "tq", "-A", "on_tq", "worker", "-P", "asyncio", "-c", "{width}"]
# ///
"""tq, with its defaults: every guarantee is on."""

from __future__ import annotations

import asyncio
import os
import time

import measure

from tq import TQ, chord, group

URL = os.environ["BENCH_URL"]
RESULTS = os.environ["BENCH_RESULTS"] == "1"

app = TQ("bench", broker=URL, result_backend=URL if RESULTS else None, task_ignore_result=not RESULTS)


@app.task(name="bench.noop")
def noop() -> None:
    """Nothing but being counted."""
    measure.tick()


@app.task(name="bench.wait")
def wait() -> None:
    """Ten milliseconds of somebody else's time."""
    measure.pause()


@app.task(name="bench.await")
async def await_() -> None:
    """The same without a thread."""
    await asyncio.sleep(0.01)
    measure.tick()


@app.task(name="bench.burn")
def burn(seconds: float) -> None:
    """Keep a processor busy."""
    measure.burn(seconds)


@app.task(name="bench.gather")
def gather(values: list[None]) -> int:
    """The body of a chord."""
    return len(values)


def send(count: int, task: str = "bench.noop") -> float:
    """Seconds for `count` calls through the bulk API."""
    began = time.perf_counter()
    app.tasks[task].starmap_async(() for _ in range(count))
    return time.perf_counter() - began


def mixed(count: int) -> None:
    """One task of two seconds among short ones."""
    group([burn.si(seconds) for seconds in measure.mix(count)]).apply_async()


def chords(count: int) -> float:
    """Seconds for a chord of `count` members, from the call to the result of its body."""

    def run() -> int:
        return int(chord([noop.si() for _ in range(count)])(gather.s()).get(timeout=300))

    return measure.seconds_of_chord(run, there_and_back, count)


def there_and_back() -> None:
    """Call, and wait for the result."""
    noop.delay().get(timeout=30)


if __name__ == "__main__":
    measure.main(
        send=send,
        send_waits=lambda count: send(count, os.environ.get("BENCH_WAIT", "bench.wait")),
        mixed=mixed,
        delay=lambda count: measure.seconds_of(noop.delay, count),
        round_trip=lambda count: measure.percentiles(there_and_back, count),
        chord=chords,
    )
