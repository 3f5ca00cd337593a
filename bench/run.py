"""Measure tq beside its peers: `python -m nox -s bench`, or `-- --quick` for a few minutes.

For each row all peers run in turn, `--rounds` times, so that a busy moment of the machine hits all of them; the
median counts. Ratios mean something on any machine, absolute figures only on the one that made them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from rich.console import Console

from bench import guard, report
from bench.peer import Installed, PeerFailed, Setting, Variant, install, variants
from bench.rows import ALL, Row
from bench.stores import Stores

CACHE = ROOT / ".nox" / "peers"
console = Console(stderr=True)


def main() -> int:
    """Measure, print, write what was asked for; 1 where `--guard` found something slower."""
    options = _arguments()
    rows = [row for row in ALL if not options.row or row.name in options.row]
    chosen = [v for v in variants() if not options.peer or v.peer.lower() in options.peer]
    if options.count:
        rows = [replace(row, count=min(row.count, options.count)) for row in rows]
    figures = _measure(rows, chosen, rounds=2 if options.quick else options.rounds, quick=options.quick)
    result = {"when": datetime.now(UTC).date().isoformat(), "machine": _machine(), **figures}
    print(report.markdown(result))
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n")
    if options.write:
        report.write(result, ROOT / "docs" / "benchmarks")
    if options.guard:
        slower = guard.slower(result, json.loads((ROOT / "bench" / "results" / "ratios.json").read_text()))
        print(*slower, sep="\n")
        return bool(slower)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="two rounds, each peer's fastest settings only")
    parser.add_argument("--row", action="append", help="only this row; may be repeated")
    parser.add_argument("--count", type=int, help="at most so many tasks, to try a peer out")
    parser.add_argument("--peer", action="append", type=str.lower, help="only this peer; may be repeated")
    parser.add_argument("--json", help="also write all figures to this file")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks and bench/results")
    parser.add_argument("--guard", action="store_true", help="fail where a ratio fell by more than a fifth")
    return parser.parse_args()


def _measure(rows: list[Row], chosen: list[Variant], *, rounds: int, quick: bool) -> dict[str, Any]:
    stores, ready = Stores(), _installed(chosen)
    notes: list[str] = []
    found: dict[str, dict[str, list[float]]] = {}
    try:
        for row in rows:
            taking = [peer for peer in ready if _takes_part(peer.variant, row, quick)]
            found[row.name] = {_name(peer.variant): [] for peer in taking}
            for number in range(rounds):
                for peer in taking:
                    _once(row, peer, stores, found[row.name], notes, f"{number + 1}/{rounds}")
    finally:
        stores.close()
    versions = {peer.variant.peer: peer.versions for peer in ready}
    return {"rounds": rounds, "versions": versions, "figures": found, "notes": notes}


def _installed(chosen: list[Variant]) -> list[Installed]:
    with console.status("making the peers' environments"):
        return [install(variant, CACHE) for variant in chosen]


def _once(
    row: Row, peer: Installed, stores: Stores, found: dict[str, list[float]], notes: list[str], which: str
) -> None:
    name = _name(peer.variant)
    if name not in found:
        return
    count = min(row.count, peer.variant.tasks or row.count)
    try:
        with stores.empty(row.store) as (url, folder):
            setting = Setting(url, folder, row.results, row.processes, row.width)
            peer.prepare(setting)
            found[name].append(row.run(peer, setting, count))
        console.print(f"[dim]{row.name} {which}: {name}[/dim] {found[name][-1]:,.4g} {row.unit}")
    except PeerFailed as exc:
        notes.append(f"{row.name}: {name} left out: {exc}")
        console.print(f"[red]{notes[-1]}[/red]")
        del found[name]


def _takes_part(variant: Variant, row: Row, quick: bool) -> bool:
    if variant.rows and row.name.partition("_")[0] not in variant.rows and row.name not in variant.rows:
        return False
    if row.processes > (variant.processes or row.processes):
        return False
    if quick and variant.name not in ("default", "fast", "prefork", "gevent", "asyncio"):
        return False
    return row.store in variant.stores and variant.knows(row.command)


def _name(variant: Variant) -> str:
    return f"{variant.peer} {variant.name}"


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
