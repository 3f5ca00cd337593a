"""Measure tq beside Celery 5.7 on the same Redis: `python -m nox -s bench`.

Every scenario runs `--rounds` times for each peer in turn, so that a busy moment of the machine hits both; the
median counts. Ratios mean something on any machine, absolute figures only on the one that made them.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from rich.console import Console
from rich.table import Table

from bench import peer as peers
from bench.scenarios import ALL, Scenario
from tests.services.celery import celery_python
from tests.services.redis import RedisServer


def main() -> None:
    """Run the scenarios and print the table."""
    options = arguments()
    console = Console()
    python = str(celery_python(ROOT / ".nox" / "celery"))
    both = (peers.tq(options.pool), peers.celery(python, options.pool))
    rows = []
    with RedisServer() as server:
        for scenario in ALL:
            if options.only in scenario.name:
                rows.append(measure(scenario, both, server.url, options.rounds, console))
    report = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "pool": options.pool,
    }
    report["rounds"], report["figures"] = options.rounds, rows
    console.print(table(rows))
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pool", default="prefork", help="pool of both workers (prefork, solo)")
    parser.add_argument("--only", default="", help="scenarios whose name holds this text")
    parser.add_argument("--json", help="also write the figures to this file")
    return parser.parse_args()


def measure(
    scenario: Scenario, both: tuple[peers.Peer, ...], url: str, rounds: int, console: Console
) -> dict[str, Any]:
    figures: dict[str, list[float]] = {peer.name: [] for peer in both}
    for number in range(rounds):
        for peer in both:
            console.print(f"[dim]{scenario.name}: {peer.name}, round {number + 1} of {rounds}[/dim]")
            figures[peer.name].append(scenario.run(peer, url, scenario.count))
    mine, theirs = (statistics.median(figures[peer.name]) for peer in both)
    ratio = mine / theirs if scenario.larger else theirs / max(mine, 1e-9)
    return {
        "scenario": scenario.name,
        "unit": scenario.unit,
        "tq": mine,
        "celery": theirs,
        "ratio": ratio,
        "all": figures,
    }


def table(rows: list[dict[str, Any]]) -> Table:
    shown = Table("scenario", "tq", "Celery", "unit", "times better")
    for row in rows:
        shown.add_row(
            row["scenario"], f"{row['tq']:,.4g}", f"{row['celery']:,.4g}", row["unit"], f"{row['ratio']:.1f}"
        )
    return shown


def machine() -> str:
    import os

    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
