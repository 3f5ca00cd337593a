"""Long queues on Redis: `python -m bench.depth [SIZE ...]`. Memory of a message, rates of sending and of draining.

For each size tq fills a queue through its bulk API, and works a part of it off in one worker process; Celery fills one
of the first size for the memory of its messages. `--write` puts the table into docs/benchmarks/depth.md. A million
messages take about a gigabyte and two minutes.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench import measures
from bench.environments import install
from bench.peer import Installed, Setting, variants
from bench.run import CACHE, DOCS
from bench.stores import Stores

SIZES = (10_000, 100_000, 1_000_000)
_WATCHED = 20_000
"""Tasks that are drained from the head of each queue."""


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks/depth.md")
    options = parser.parse_args()
    text = table(options.sizes)
    print(text)
    if options.write:
        (DOCS / "depth.md").write_text(f"# Long queues\n\n`python -m bench.depth`, on Redis.\n\n{text}\n")


def table(sizes: list[int]) -> str:
    """The table, with a line for Celery's memory."""
    lines = ["| stored | sent/s | drained/s | bytes a message |", "|---|---|---|---|"]
    with servers() as stores:
        tq, celery = peer("tq", "default"), peer("Celery", "prefork")
        for size in sizes:
            sent, memory, drained = measure(stores, tq, size)
            lines.append(f"| {size:,} | {sent:,.0f} | {drained:,.0f} | {memory:,.0f} |")
        sent, memory, drained = measure(stores, celery, min(sizes))
        lines.append(f"| {min(sizes):,}, Celery | {sent:,.0f} | {drained:,.0f} | {memory:,.0f} |")
    return "\n".join(lines)


def measure(stores: Stores, peer: Installed, size: int) -> tuple[float, float, float]:
    """Calls a second, bytes a message, tasks a second."""
    with stores.empty("redis") as (url, folder):
        setting = Setting(url, folder)
        before = used(stores)
        sent = size / float(peer.run("send", size, setting))
        memory = (used(stores) - before) / size
        return sent, memory, measures.drained(peer, setting, min(size, _WATCHED))


def used(stores: Stores) -> int:
    """Bytes that the server's data takes."""
    found = re.search(r"used_memory_dataset:(\d+)", stores.redis.ask("INFO", "memory"))
    if found is None:
        raise SystemExit("INFO memory of this server does not tell used_memory_dataset")
    return int(found[1])


def peer(name: str, variant: str) -> Installed:
    """One peer with its environment."""
    return next(install(v, CACHE) for v in variants() if (v.peer, v.name) == (name, variant))


@contextmanager
def servers() -> Iterator[Stores]:
    """Servers that end with the measurement."""
    stores = Stores()
    try:
        yield stores
    finally:
        stores.close()


if __name__ == "__main__":
    main()
