# /// script
# dependencies = ["celery[redis]==5.7.*", "hiredis", "psycopg2-binary", "gevent"]
# [tool.bench]
# name = "Celery"
# [tool.bench.variants.prefork]
# worker = ["-m", "celery", "-A", "on_celery", "worker", "-c", "{processes}", "-P", "prefork"]
# [tool.bench.variants.solo]
# rows = ["drain", "drain_results", "round_trip"]
# worker = ["-m", "celery", "-A", "on_celery", "worker", "-P", "solo", "--without-gossip", "--without-mingle", "--without-heartbeat"]
# [tool.bench.variants.gevent]
# rows = ["waits"]
# worker = ["-m", "celery", "-A", "on_celery", "worker", "-P", "gevent", "-c", "{width}", "--prefetch-multiplier", "4"]
# ///
"""Celery 5.7: its defaults, and the pools that suit a row best."""

from __future__ import annotations

import os
import time

import measure
from celery import Celery, chord, group

URL = os.environ["BENCH_URL"]
RESULTS = os.environ["BENCH_RESULTS"] == "1"

app = Celery("bench", broker=URL, backend=URL if RESULTS else None)
app.conf.task_ignore_result = not RESULTS
app.conf.broker_connection_retry_on_startup = True


@app.task(name="bench.noop")
def noop() -> None:
    """Nothing but being counted."""
    measure.tick()


@app.task(name="bench.wait")
def wait() -> None:
    """Ten milliseconds of somebody else's time."""
    time.sleep(0.01)
    measure.tick()


@app.task(name="bench.burn")
def burn(seconds: float) -> None:
    """Keep a processor busy."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        continue
    measure.tick()


@app.task(name="bench.gather")
def gather(values: list[None]) -> int:
    """The body of a chord."""
    return len(values)


def send(count: int, task: str = "bench.noop") -> float:
    """Seconds for `count` calls through the bulk API."""
    sent = app.tasks[task]
    began = time.perf_counter()
    for start in range(0, count, 1000):
        group([sent.si() for _ in range(min(1000, count - start))]).apply_async()
    return time.perf_counter() - began


def mixed(count: int) -> None:
    """One task of two seconds among short ones."""
    group([burn.si(2.0 if number == 10 else 0.00005) for number in range(count)]).apply_async()


def chords(count: int) -> float:
    """Seconds for a chord of `count` members, from the call to the result of its body."""
    noop.delay().get(timeout=30)
    began = time.perf_counter()
    found = chord([noop.si() for _ in range(count)])(gather.s()).get(timeout=300)
    seconds = time.perf_counter() - began
    if found != count:
        raise SystemExit(f"{found} of {count} members")
    return seconds


if __name__ == "__main__":
    measure.main(
        send=send,
        send_waits=lambda count: send(count, "bench.wait"),
        mixed=mixed,
        delay=lambda count: measure.seconds_of(noop.delay, count),
        round_trip=lambda count: measure.percentiles(lambda: noop.delay().get(timeout=30), count),
        chord=chords,
    )
