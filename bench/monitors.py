"""Events and their monitors on Redis: `python -m bench.monitors [TASKS] [--rounds N]`.

What a worker does a second with tasks that do nothing and with tasks that work for 100 µs and for 1 ms: without events,
with events while nobody listens, with a monitor that listens, and with one that has stopped reading. All take turns; each
rate is the best of its rounds, since what disturbs a machine only ever slows it down, and processor time is the least of
its rounds, whoever shares the machine. The monitor throws away what it reads: what a real one does with it costs the same with
any worker.
"""

from __future__ import annotations

import argparse
import re
import socket
import subprocess
import sys
import timeit
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench import measures, processes
from bench.depth import peer, servers
from bench.peer import Setting
from bench.stores import Stores

Monitor = Callable[[socket.socket], AbstractContextManager[None]]
"""What somebody who has asked the server for all events does with the line."""
Figures = tuple[float, float, float]
"""Seconds by the clock, of the worker's processors, and of the server's, for each task."""
SUBSCRIBE = b"PSUBSCRIBE /0.celeryev/*\r\n"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="?", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(table(options.tasks, options.rounds))


def table(tasks: int, rounds: int) -> str:
    """The table: tasks a second, also as a part of those without events, and microseconds of processor time."""
    found: dict[tuple[str, str], list[Figures]] = {}
    with servers() as stores:
        for _ in range(rounds):
            for size, seconds in SIZES.items():
                for name, (variant, does) in CASES.items():
                    one = measure(stores, variant, tasks, seconds, does)
                    found.setdefault((size, name), []).append(one)
    lines = ["| task | | tasks/s | | worker, µs of processor | server, µs |", "|---|---|---|---|---|---|"]
    for (size, name), figures in found.items():
        clock, worker, server = (min(each) for each in zip(*figures, strict=True))
        whole = min(first[0] for first in found[size, next(iter(CASES))])
        micros = f"{worker * 1e6:.1f} | {server * 1e6:.1f}"
        lines.append(f"| {size} | {name} | {1 / clock:,.0f} | {whole / clock:.0%} | {micros} |")
    return "\n".join(lines)


def measure(stores: Stores, variant: str, tasks: int, seconds: float, does: Monitor | None) -> Figures:
    """One worker that starts with a full queue."""
    worker = peer("tq", variant)
    loops = {"BENCH_LOOPS": str(round(seconds / loop_seconds()))}
    worker = replace(worker, variant=replace(worker.variant, env=loops))
    count = min(tasks, round(measures.SECONDS / seconds)) if seconds else tasks
    with stores.empty("redis") as (url, folder), monitor(stores, does):
        setting = Setting(url, folder)
        worker.run("send_work" if seconds else "send", count, setting)
        with worker.working(setting) as process:
            measures.until(lambda: measures.counted(setting.counts), setting)
            sides = processes.family(process.pid), [server_pid(stores)]
            before = [processes.processor_seconds(side) for side in sides]
            done, clock = measures.watched(setting, count)
            used = [processes.processor_seconds(side) for side in sides]
    return clock / done, (used[0] - before[0]) / done, (used[1] - before[1]) / done


@cache
def loop_seconds() -> float:
    """What one round of the body's loop takes here at best."""
    return min(timeit.repeat("for _ in range(10_000): pass", number=1, repeat=200)) / 10_000


def server_pid(stores: Stores) -> int:
    """The server's process."""
    found = re.search(r"process_id:(\d+)", stores.redis.ask("INFO", "server"))
    if found is None:
        raise SystemExit("INFO server of this server does not tell process_id")
    return int(found[1])


@contextmanager
def monitor(stores: Stores, does: Monitor | None) -> Iterator[None]:
    """Inside, somebody has asked the server for all events, if anybody does anything with them."""
    if does is None:
        yield
        return
    with socket.create_connection(("127.0.0.1", stores.redis.port)) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096 if does is stalled else 1 << 20)
        line.sendall(SUBSCRIBE)
        with does(line):
            yield


@contextmanager
def stalled(line: socket.socket) -> Iterator[None]:
    """Read nothing."""
    yield


@contextmanager
def reading(line: socket.socket) -> Iterator[None]:
    """Read all, in a process of its own."""
    reader = subprocess.Popen([sys.executable, "-c", READ], stdin=line.fileno())
    try:
        yield
    finally:
        reader.kill()
        reader.wait()


READ = "import os\nwhile os.read(0, 1 << 20): pass"
SIZES = {"empty": 0.0, "100 µs": 0.0001, "1 ms": 0.001}
"""Seconds that the bodies take."""
CASES: dict[str, tuple[str, Monitor | None]] = {
    "no events": ("default", None),
    "events, nobody listens": ("events", None),
    "events, a monitor listens": ("events", reading),
    "events, a monitor that does not read": ("events", stalled),
}


if __name__ == "__main__":
    main()
