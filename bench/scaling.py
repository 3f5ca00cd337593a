"""Many workers at one server, simulated: `python -m bench.scaling [--workers 1000] [--task MILLISECONDS]`.

A discrete-event model with the constants of `bench.costs`: the server answers one turn after another, in the order of
their arrival, and a turn costs it a fixed part and a part for each message. A worker asks for as many messages as it
runs in 15 ms, works them off, and asks again. The network takes its time both ways. A server with several cores counts as
one that is so many times faster; Redis runs commands on one. What is not modelled: locks inside a server, and slow disks.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench.costs import Costs, recorded
from tq.policy.batch import LARGEST, TARGET

NETWORK = 0.0002
"""Seconds from a worker to a server in the same data centre, and back."""
OWN = 20e-6
"""Seconds that a worker spends on a no-op besides the server."""


PAGE = ROOT / "docs" / "scaling.md"
CORES = {"redis": 1}
"""Cores that a store can use; the others use as many as `--cores` says."""


@dataclass(frozen=True)
class Load:
    """Workers that are always busy, with tasks of so many seconds on average (exponentially distributed)."""

    workers: int
    task: float


@dataclass(frozen=True)
class Outcome:
    """What comes of it."""

    rate: float
    """Tasks a second."""
    busy: float
    """Share of the server's time."""
    wait: float
    """Seconds that a turn waits for its answer, 99th percentile."""
    ideal: float
    """Tasks a second with a server that costs no time."""


def simulate(load: Load, costs: Costs, *, cores: int = 1, turns: int = 40_000, seed: int = 1) -> Outcome:
    """Play `turns` turns."""
    turn, each, idle = parts(costs, cores)
    chance = random.Random(seed)
    batch = max(1, min(LARGEST, int(TARGET / (load.task + OWN))))
    # Heartbeats and maintenance take their part of the server in any case.
    beats = min(idle * load.workers, 0.95)
    service = (turn + each * batch) / (1 - beats)
    events = [(chance.random() * (load.task * batch + NETWORK), number) for number in range(load.workers)]
    heapq.heapify(events)
    free, waits, now = 0.0, [], 0.0
    for _ in range(turns):
        now, worker = heapq.heappop(events)
        free = max(free, now) + service
        waits.append(free - now + NETWORK)
        work = sum(chance.expovariate(1 / load.task) for _ in range(batch)) if load.task else 0.0
        heapq.heappush(events, (free + NETWORK + work + OWN * batch, worker))
    # The first of it is the start of all workers together, which tells nothing.
    settled = sorted(waits[turns // 4 :])
    rate = turns * batch / now
    ideal = load.workers * batch / (batch * (load.task + OWN) + NETWORK)
    return Outcome(
        rate, rate / batch * service * (1 - beats) + beats, settled[len(settled) * 99 // 100], ideal
    )


def parts(costs: Costs, cores: int = 1) -> tuple[float, float, float]:
    """Seconds of the server for a turn however small, for each message in it, and for each second of a worker."""
    each = costs["task"].server_us
    idle = next(cost for name, cost in costs.items() if name.startswith("one of"))
    turn = max(costs["task by itself"].server_us - each, 0)
    return turn / 1e6 / cores, each / 1e6 / cores, idle.server_us / 1e6 / cores


def ends(costs: Costs, seconds: float, cores: int = 1) -> int:
    """How many busy workers the server carries with tasks of that length."""
    turn, each, idle = parts(costs, cores)
    batch = max(1, min(LARGEST, int(TARGET / (seconds + OWN))))
    return int(1 / ((turn / batch + each) / (seconds + OWN) + idle))


def main() -> None:
    """Print the tables of what was recorded, and of the simulation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--cores", type=int, default=8, help="of a server that uses several; default 8")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    parser.add_argument("--task", type=float, action="append", help="milliseconds; may be repeated")
    options = parser.parse_args()
    tasks = [each / 1000 for each in options.task or (1.0, 10.0, 100.0, 1000.0)]
    tables = {"costs": costs_table(), "simulation": simulation(options.workers, tasks, options.cores)}
    print(*tables.values(), sep="\n\n")
    if options.write:
        text = PAGE.read_text()
        for name, table in tables.items():
            start = text.index(f"<!-- {name} -->")
            text = f"{text[:start]}<!-- {name} -->\n{table}\n{text[text.index('<!-- end -->', start) :]}"
        PAGE.write_text(text)


def costs_table() -> str:
    """What was measured."""
    lines = [
        "| store | what | round trips | bytes sent | received | µs of the server |",
        "|---|---|---|---|---|---|",
    ]
    for store, costs in recorded().items():
        for what, cost in costs.items():
            way = f"{cost.round_trips:.3g} | {cost.sent:,.0f} | {cost.received:,.0f}"
            # These go past the proxy: only the server's time is measured.
            lines.append(
                f"| {store} | {what} | {' |  | ' if cost.sent == 0 else way} | {cost.server_us:,.1f} |"
            )
    return "\n".join(lines)


def simulation(workers: int, tasks: Sequence[float], cores: int) -> str:
    """What comes of so many workers, on each store, with tasks of so many seconds."""
    head = (
        f"| store | task, ms | tasks/s of {workers:,} workers | of the ideal | server | p99 of a turn | it carries |\n"
        "|---|---|---|---|---|---|---|"
    )
    lines = (
        _line(store, costs, Load(workers, task), CORES.get(store, cores))
        for store, costs in recorded().items()
        for task in tasks
    )
    return "\n".join((head, *lines))


def _line(store: str, costs: Costs, load: Load, cores: int) -> str:
    found = simulate(load, costs, cores=cores)
    return (
        f"| {store}, {cores} core{'s' * (cores > 1)} | {load.task * 1000:g} | {found.rate:,.0f} | {min(found.rate / found.ideal, 1):.0%} | {min(found.busy, 1):.0%} | "
        f"{found.wait * 1000:.2g} ms | {ends(costs, load.task, cores):,} |"
    )


if __name__ == "__main__":
    main()
