"""What the programs of all peers share: counting executed tasks, and the loops on the client's side.

It runs in every peer's environment, so it needs the standard library alone.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

_RATE_SECONDS = 1.0
_LATENCY_SECONDS = 3.5
_PAUSE = 0.005
"""Between two calls of which the time counts."""

_cell: memoryview | None = None
_lock = threading.Lock()


def tick() -> None:
    """Count one executed task; the body of every no-op. It costs every peer the same fraction of a microsecond.

    Each process counts in eight bytes of a file of its own, which the runner adds up while they are written.
    """
    with _lock:  # pools of threads would lose some otherwise
        if _cell is None:
            _open()
        assert _cell is not None
        _cell[0] += 1


def pause() -> None:
    """Ten milliseconds of somebody else's time."""
    time.sleep(0.01)
    tick()


def burn(seconds: float) -> None:
    """Keep a processor busy."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        continue
    tick()


def work(loops: int) -> None:
    """The same work each time, whoever else takes processor time meanwhile."""
    for _ in range(loops):
        pass
    tick()


def _open() -> None:
    global _cell
    file = Path(os.environ["BENCH_COUNTS"]) / str(os.getpid())
    file.write_bytes(bytes(8))
    with file.open("r+b") as opened:
        _cell = memoryview(mmap.mmap(opened.fileno(), 8)).cast("Q")


def _forget() -> None:
    global _cell, _lock
    _cell, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)


def rate(call: Callable[[], object], count: int) -> float:
    """Calls a second, one after another, for a second or `count` calls; one more before, that opens connections."""
    call()
    done, began = 0, time.perf_counter()
    while done < count and time.perf_counter() - began < _RATE_SECONDS:
        call()
        done += 1
    return done / (time.perf_counter() - began)


async def rate_async(call: Callable[[], Awaitable[object]], count: int) -> float:
    """`rate` for coroutine functions."""
    await call()
    done, began = 0, time.perf_counter()
    while done < count and time.perf_counter() - began < _RATE_SECONDS:
        await call()
        done += 1
    return done / (time.perf_counter() - began)


def percentiles(call: Callable[[], object], count: int) -> list[float]:
    """Median and 99th percentile, in seconds, of calls with a pause between, so that the system is idle."""
    for _ in range(3):
        call()
    times: list[float] = []
    end = time.perf_counter() + _LATENCY_SECONDS
    while len(times) < count and time.perf_counter() < end:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
        time.sleep(_PAUSE)
    return _median_and_late(times)


async def percentiles_async(call: Callable[[], Awaitable[object]], count: int) -> list[float]:
    """`percentiles` for coroutine functions."""
    import asyncio

    for _ in range(3):
        await call()
    times: list[float] = []
    end = time.perf_counter() + _LATENCY_SECONDS
    while len(times) < count and time.perf_counter() < end:
        began = time.perf_counter()
        await call()
        times.append(time.perf_counter() - began)
        await asyncio.sleep(_PAUSE)
    return _median_and_late(times)


def _median_and_late(times: list[float]) -> list[float]:
    times.sort()
    return [times[len(times) // 2], times[min(len(times) - 1, len(times) * 99 // 100)]]


def seconds_in_batches(send: Callable[[int], object], count: int, size: int = 1000) -> float:
    """Seconds for `count` calls through a bulk API that is given up to `size` at a time."""
    began = time.perf_counter()
    for start in range(0, count, size):
        send(min(size, count - start))
    return time.perf_counter() - began


def seconds_of_chord(run: Callable[[], int], warm_up: Callable[[], object], count: int) -> float:
    """Seconds of a chord whose body returns how many members it got."""
    warm_up()
    began = time.perf_counter()
    found = run()
    seconds = time.perf_counter() - began
    if found != count:
        raise SystemExit(f"{found} of {count} members")
    return seconds


def mix(count: int) -> list[float]:
    """Seconds for each of many tasks: one of two seconds among short ones."""
    return [2.0 if number == 10 else 0.00005 for number in range(count)]


def main(**commands: Callable[[int], object]) -> None:
    """`program.py COMMAND COUNT`: run it and print what it returns as JSON on the last line."""
    name, count = sys.argv[1], int(sys.argv[2])
    print(json.dumps(commands[name](count)))
