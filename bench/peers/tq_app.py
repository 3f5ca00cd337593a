"""The program that is measured, with tq. `python tq_app.py WHAT ...` measures the client side."""

from __future__ import annotations

import os
import sys
import time

from tq import TQ

URL = os.environ["BENCH_REDIS"]
RESULTS = os.environ.get("BENCH_RESULTS") == "1"

app = TQ("bench", broker=URL, result_backend=URL if RESULTS else None, task_ignore_result=not RESULTS)


@app.task(name="bench.noop")
def noop() -> None:
    """Nothing."""


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
    print({"delay": delay, "round_trip": round_trip}[sys.argv[1]](int(sys.argv[2])))
