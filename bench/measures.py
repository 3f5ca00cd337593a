"""How things are measured. Each takes an installed peer and a setting, and returns a figure for each of its rows.

Everything that repeats ends by itself after about `SECONDS`, so that a slow peer costs a run no more than a fast one;
a rate is that of the time which was watched.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bench import processes
from bench.peer import Installed, PeerFailed, Setting

SECONDS = 1.5
PATIENCE = 30.0
_IDLE_SECONDS = 5.0


def drain(peer: Installed, setting: Setting, count: int) -> tuple[float, float]:
    """Tasks a second in which a worker empties a queue that was filled before, and calls a second of filling it.

    The clock runs from the first task that is seen to the last, by the tasks' own count, so starting up is not in it.
    """
    filling = float(peer.run("send", count, setting))
    return drained(peer, setting, count), count / filling


def waits(peer: Installed, setting: Setting, count: int) -> tuple[float]:
    """The same for tasks that wait for 10 ms; percent of what `width` of them at a time could do."""
    peer.run("send_waits", count, setting)
    return (drained(peer, setting, count) / (setting.width / 0.01) * 100,)


def drained(peer: Installed, setting: Setting, count: int) -> float:
    """Tasks a second of a worker that is started now, over the first `count` tasks or `SECONDS`."""
    with peer.working(setting):
        until(lambda: counted(setting.counts), setting)
        done, seconds = watched(setting, count)
        return done / seconds


def watched(setting: Setting, count: int) -> tuple[int, float]:
    """Tasks that are done from now until there are `count`, or for `SECONDS`, and how long that took."""
    began = time.perf_counter()
    done = first = counted(setting.counts)
    while done < count and time.perf_counter() - began < SECONDS:
        time.sleep(0.001)
        done = counted(setting.counts)
    seconds = time.perf_counter() - began
    if done <= first:
        raise PeerFailed(f"nothing was done in {seconds:.1f} s after the first {first} tasks")
    return done - first, seconds


def unfair(peer: Installed, setting: Setting, count: int) -> tuple[float]:
    """Seconds until the last short task is done, with one of two seconds among them."""
    peer.run("mixed", count, setting)
    with peer.working(setting):
        until(lambda: counted(setting.counts), setting)
        began = time.perf_counter()
        until(lambda: counted(setting.counts) >= count - 1, setting)
        return (time.perf_counter() - began,)


def delay(peer: Installed, setting: Setting, count: int) -> tuple[float]:
    """Calls a second, one after another."""
    return (float(peer.run("delay", count, setting)),)


def round_trip(peer: Installed, setting: Setting, count: int) -> tuple[float, float]:
    """Milliseconds from a call to its result on an idle worker: median and 99th percentile."""
    with peer.working(setting):
        median, late = peer.run("round_trip", count, setting)
        return float(median) * 1000, float(late) * 1000


def chord(peer: Installed, setting: Setting, count: int) -> tuple[float]:
    """Members a second of one chord, from the call to the result of its body; sending it is part of it."""
    with peer.working(setting):
        return (count / float(peer.run("chord", count, setting)),)


def start(peer: Installed, setting: Setting, count: int) -> tuple[float]:
    """Seconds from the start of a worker to the end of its first task."""
    peer.run("send", count, setting)
    began = time.perf_counter()
    with peer.working(setting):
        until(lambda: counted(setting.counts), setting)
        return (time.perf_counter() - began,)


def rest(peer: Installed, setting: Setting, count: int) -> tuple[float, float]:
    """An idle worker with all its processes: MiB of proportional memory, and percent of one core."""
    peer.run("send", count, setting)
    with peer.working(setting) as process:
        until(lambda: counted(setting.counts) >= count, setting)
        time.sleep(1.5)
        pids = processes.family(process.pid)
        before, began = processes.processor_seconds(pids), time.perf_counter()
        time.sleep(_IDLE_SECONDS)
        used = (processes.processor_seconds(pids) - before) / (time.perf_counter() - began)
        return processes.proportional_mib(pids), used * 100


def counted(folder: Path) -> int:
    """How many tasks have run: each process of the worker counts in a file of its own."""
    return sum(int.from_bytes(file.read_bytes(), "little") for file in folder.iterdir())


def until(found: Callable[[], int | bool], setting: Setting) -> int:
    """Look each millisecond until it is true; what it was then."""
    end = time.monotonic() + PATIENCE
    while not (value := found()):
        if time.monotonic() > end:
            raise PeerFailed(f"no end after {PATIENCE:.0f} s, {counted(setting.counts)} tasks done")
        time.sleep(0.001)
    return int(value)
