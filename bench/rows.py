"""What is measured. A row takes an installed peer and a setting, and returns one figure."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bench.peer import Installed, PeerFailed, Setting

PATIENCE = 45.0


@dataclass(frozen=True)
class Row:
    """`larger` says that more is better. `command` is what a peer's program must know to take part."""

    name: str
    title: str
    unit: str
    larger: bool
    count: int
    command: str
    run: Callable[[Installed, Setting, int], float]
    store: str = "redis"
    results: bool = False
    processes: int = 1
    width: int = 1
    goals: tuple[str, ...] = ()
    """What the project asks of this row, as `peer factor`."""


def drain(peer: Installed, setting: Setting, count: int) -> float:
    """Tasks a second in which a worker empties a queue that was filled before, by the tasks' own count.

    The clock runs from the first count that is seen to the last task, so starting up does not count.
    """
    peer.run("send", count, setting)
    return _drained(peer, setting, count)


def waits(peer: Installed, setting: Setting, count: int) -> float:
    """The same for tasks that wait for 10 ms; percent of what `width` of them at a time could do."""
    peer.run("send_waits", count, setting)
    return _drained(peer, setting, count) / (setting.width / 0.01) * 100


def _drained(peer: Installed, setting: Setting, count: int) -> float:
    with peer.working(setting):
        first = until(lambda: counted(setting.counts), setting)
        began = time.perf_counter()
        until(lambda: counted(setting.counts) >= count, setting)
        return max(count - first, 1) / (time.perf_counter() - began)


def unfair(peer: Installed, setting: Setting, count: int) -> float:
    """Seconds until the last short task is done, with one of two seconds among them."""
    peer.run("mixed", count, setting)
    with peer.working(setting):
        until(lambda: counted(setting.counts), setting)
        began = time.perf_counter()
        until(lambda: counted(setting.counts) >= count - 1, setting)
        return time.perf_counter() - began


def delay(peer: Installed, setting: Setting, count: int) -> float:
    """Calls a second, one after another."""
    return count / float(peer.run("delay", count, setting))


def bulk(peer: Installed, setting: Setting, count: int) -> float:
    """Calls a second through the peer's own way of sending many."""
    return count / float(peer.run("send", count, setting))


def round_trip(peer: Installed, setting: Setting, count: int) -> float:
    """Milliseconds from a call to its result on an idle worker, median."""
    with peer.working(setting):
        return float(peer.run("round_trip", count, setting)[0]) * 1000


def round_trip_p99(peer: Installed, setting: Setting, count: int) -> float:
    """The 99th percentile of the same."""
    with peer.working(setting):
        return float(peer.run("round_trip", count, setting)[1]) * 1000


def chord(peer: Installed, setting: Setting, count: int) -> float:
    """Members a second of one chord, from the call to the result of its body; sending it is part of it."""
    with peer.working(setting):
        return count / float(peer.run("chord", count, setting))


def start(peer: Installed, setting: Setting, count: int) -> float:
    """Seconds from the start of a worker to the end of its first task."""
    peer.run("send", 1, setting)
    began = time.perf_counter()
    with peer.working(setting):
        until(lambda: counted(setting.counts), setting)
        return time.perf_counter() - began


def idle(peer: Installed, setting: Setting, count: int) -> float:
    """Percent of one core that an idle worker uses, over `count` seconds, all its processes."""
    peer.run("send", 1, setting)
    with peer.working(setting) as process:
        until(lambda: counted(setting.counts), setting)
        time.sleep(2)
        before = _processor_seconds(process.pid)
        time.sleep(count)
        return (_processor_seconds(process.pid) - before) / count * 100


def memory(peer: Installed, setting: Setting, count: int) -> float:
    """MiB of an idle worker: the proportional set size of all its processes."""
    peer.run("send", 1, setting)
    with peer.working(setting) as process:
        until(lambda: counted(setting.counts), setting)
        time.sleep(1)
        return sum(_proportional(pid) for pid in _family(process.pid)) / 1024


def _family(session: int) -> list[str]:
    """The processes of a session, so that a worker may make groups of its own."""
    text = subprocess.run(["ps", "-e", "-o", "sess=,pid="], capture_output=True, text=True, check=True).stdout
    return [line.split()[1] for line in text.splitlines() if int(line.split()[0]) == session]


def _processor_seconds(session: int) -> float:
    return sum(_ticks(pid) for pid in _family(session)) / 100


def _ticks(pid: str) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _proportional(pid: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise PeerFailed(f"/proc/{pid}/smaps_rollup has no Pss")


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


_DRAIN = Row("drain", "Drain, no results", "tasks/s", True, 20_000, "send", drain)
_WAITS = Row(
    "waits", "10 ms waits, 100 at a time", "% of the ideal", True, 5_000, "send_waits", waits, width=100
)
ALL = (
    replace(_DRAIN, goals=("Celery 100", "best 20")),
    replace(
        _DRAIN,
        name="drain_results",
        title="Drain, results stored",
        results=True,
        goals=("Celery 70", "best 15"),
    ),
    replace(_DRAIN, name="drain_two", title="Drain, two processes", processes=2, goals=("best 12",)),
    Row(
        "delay",
        "Calls one by one",
        "calls/s",
        True,
        2_000,
        "delay",
        delay,
        goals=("Celery 8", "best 1.5"),
    ),
    Row("bulk", "Bulk calls", "calls/s", True, 10_000, "send", bulk, goals=("Celery 50", "best 8")),
    Row(
        "round_trip",
        "Call to result, idle worker, median",
        "ms",
        False,
        150,
        "round_trip",
        round_trip,
        results=True,
        goals=("best 3.3",),
    ),
    Row(
        "round_trip_p99",
        "Call to result, idle worker, 99th percentile",
        "ms",
        False,
        300,
        "round_trip",
        round_trip_p99,
        results=True,
    ),
    replace(_WAITS, goals=("best 3",)),
    replace(
        _WAITS,
        name="waits_1000",
        title="10 ms waits, 1,000 at a time",
        count=30_000,
        width=1000,
        goals=("best 3",),
    ),
    Row(
        "chord",
        "Chord of 1,000",
        "members/s",
        True,
        1_000,
        "chord",
        chord,
        results=True,
        goals=("Celery 10",),
    ),
    Row("idle", "Idle worker, two wide", "% of a core", False, 10, "send", idle, processes=2),
    Row(
        "memory",
        "Memory of an idle worker, two wide",
        "MiB",
        False,
        1,
        "send",
        memory,
        processes=2,
        goals=("Celery 2",),
    ),
    Row("start", "Start to first task done", "s", False, 1, "send", start, goals=("Celery 2",)),
    Row(
        "unfair",
        "Last of 3,000 short tasks behind one of 2 s",
        "s",
        False,
        3_000,
        "mixed",
        unfair,
        processes=2,
    ),
    replace(
        _DRAIN,
        name="drain_postgresql",
        title="PostgreSQL: drain",
        store="postgresql",
        goals=("procrastinate 20",),
    ),
    Row(
        "delay_postgresql",
        "PostgreSQL: calls one by one",
        "calls/s",
        True,
        1_000,
        "delay",
        delay,
        store="postgresql",
        goals=("procrastinate 1.5",),
    ),
    replace(_DRAIN, name="drain_sqlite", title="SQLite: drain", store="sqlite", goals=()),
)
