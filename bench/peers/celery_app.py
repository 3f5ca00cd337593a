"""The program that is measured, with Celery. `python celery_app.py WHAT ...` measures the client side."""

from __future__ import annotations

import os
import sys
import time

from celery import Celery, chord

URL = os.environ["BENCH_REDIS"]
RESULTS = os.environ.get("BENCH_RESULTS") == "1"

app = Celery("bench", broker=URL, backend=URL if RESULTS else None)
app.conf.task_ignore_result = not RESULTS
app.conf.broker_connection_retry_on_startup = True


@app.task(name="bench.noop")
def noop() -> None:
    """Nothing."""


@app.task(name="bench.gather")
def gather(values: list[None]) -> int:
    """The body of a chord."""
    return len(values)


def chords(count: int) -> float:
    """Seconds for a chord of `count` members, from the call to the result of its body."""
    noop.delay().get(timeout=10)
    began = time.perf_counter()
    found = chord([noop.si() for _ in range(count)])(gather.s()).get(timeout=300)
    seconds = time.perf_counter() - began
    if found != count:
        raise SystemExit(f"{found} of {count} members")
    return seconds


def delay(count: int) -> float:
    """Seconds for `count` calls, one by one."""
    noop.delay()
    began = time.perf_counter()
    for _ in range(count):
        noop.delay()
    return time.perf_counter() - began


def round_trip(count: int) -> float:
    """Median seconds from `.delay()` to the result, on an idle worker."""
    noop.delay().get(timeout=10)
    times = []
    for _ in range(count):
        began = time.perf_counter()
        noop.delay().get(timeout=10)
        times.append(time.perf_counter() - began)
        time.sleep(0.005)
    return sorted(times)[count // 2]


if __name__ == "__main__":
    print({"delay": delay, "round_trip": round_trip, "chord": chords}[sys.argv[1]](int(sys.argv[2])))
