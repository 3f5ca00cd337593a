"""Events and their monitors on Redis: `python -m bench.monitors [TASKS] [--rounds N]`.

What a worker does a second with empty tasks, without events, with events that nobody hears, and with events that a
monitor should hear which has stopped reading. The three take turns; each line is the best of its rounds, since what
disturbs a machine only ever slows it down.
"""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench import measures
from bench.depth import peer, servers
from bench.peer import Setting
from bench.stores import Stores

CASES = {
    "no events": ("default", False),
    "events, nobody listens": ("events", False),
    "events, a monitor that does not read": ("events", True),
}


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
            for name, (variant, stalled) in CASES.items():
                best[name] = max(best[name], measure(stores, variant, tasks, stalled=stalled))
    whole = best["no events"]
    lines = [f"| {name} | {rate:,.0f} | {rate / whole:.0%} |" for name, rate in best.items()]
    return "\n".join(["| | tasks/s | |", "|---|---|---|", *lines])


def measure(stores: Stores, variant: str, tasks: int, *, stalled: bool) -> float:
    """Tasks a second."""
    worker = peer("tq", variant)
    with stores.empty("redis") as (url, folder), monitor(stores, stalled):
        setting = Setting(url, folder)
        worker.run("send", tasks, setting)
        return measures.drained(worker, setting, tasks)


@contextmanager
def monitor(stores: Stores, stalled: bool) -> Iterator[None]:
    """Inside, somebody has asked the server for all events and reads none of them."""
    if not stalled:
        yield
        return
    with socket.create_connection(("127.0.0.1", stores.redis.port)) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(b"PSUBSCRIBE /0.celeryev/*\r\n")
        yield


if __name__ == "__main__":
    main()
