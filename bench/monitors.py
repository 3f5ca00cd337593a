"""Events and their monitors on Redis: `python -m bench.monitors [TASKS] [--rounds N]`.

What a worker does a second with empty tasks: without events, with events while nobody listens, with a monitor that
listens, and with one that has stopped reading. The four take turns; each line is the best of its rounds, since what
disturbs a machine only ever slows it down. The monitor throws away what it reads: what a real one does with it costs the
same with any worker.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench import measures
from bench.depth import peer, servers
from bench.peer import Setting
from bench.stores import Stores

Monitor = Callable[[socket.socket], AbstractContextManager[None]]
"""What somebody who has asked the server for all events does with the line."""
SUBSCRIBE = b"PSUBSCRIBE /0.celeryev/*\r\n"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="?", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(table(options.tasks, options.rounds))


def table(tasks: int, rounds: int) -> str:
    """The table: tasks a second, and as a part of those without events."""
    best = dict.fromkeys(CASES, 0.0)
    with servers() as stores:
        for _ in range(rounds):
            for name, (variant, does) in CASES.items():
                best[name] = max(best[name], measure(stores, variant, tasks, does))
    whole = best["no events"]
    lines = [f"| {name} | {rate:,.0f} | {rate / whole:.0%} |" for name, rate in best.items()]
    return "\n".join(["| | tasks/s | |", "|---|---|---|", *lines])


def measure(stores: Stores, variant: str, tasks: int, does: Monitor | None) -> float:
    """Tasks a second."""
    worker = peer("tq", variant)
    with stores.empty("redis") as (url, folder), monitor(stores, does):
        setting = Setting(url, folder)
        worker.run("send", tasks, setting)
        return measures.drained(worker, setting, tasks)


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
CASES: dict[str, tuple[str, Monitor | None]] = {
    "no events": ("default", None),
    "events, nobody listens": ("events", None),
    "events, a monitor listens": ("events", reading),
    "events, a monitor that does not read": ("events", stalled),
}


if __name__ == "__main__":
    main()
