"""Measure tq beside its peers: `python -m nox -s bench`, or `-- --quick` for a few minutes.

In each round all peers are measured in turn; the median of the rounds counts. Ratios mean something on any machine,
absolute figures only on the one that made them. What is known is kept after each round, also when the run is ended
early: `--write --from FILE` makes the report of it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench import guard, report
from bench.environments import install
from bench.pace import Pace
from bench.peer import Installed, variants
from bench.rounds import Found, Rounds, console
from bench.rows import MEASUREMENTS, Measurement

CACHE = ROOT / ".nox" / "peers"
LAST = CACHE / "figures.json"
DOCS = ROOT / "docs" / "benchmarks"
RESULTS = ROOT / "bench" / "results"


def main() -> int:
    """Measure, print, write what was asked for; 1 where `--guard` found something slower."""
    options = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    result = json.loads(Path(options.source).read_text()) if options.source else _measure(options)
    print(report.markdown(result))
    if options.write:
        report.write(result, DOCS, RESULTS)
        report.plot(result, DOCS)
    if options.guard:
        slower = guard.slower(result, json.loads((RESULTS / "ratios.json").read_text()))
        print(*slower, sep="\n")
        return bool(slower)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, help="at most so many rounds; 5, with --quick 2")
    parser.add_argument("--budget", type=float, metavar="MINUTES", help="begin no round that would end later")
    parser.add_argument(
        "--least", type=int, default=1, help="so many rounds also without the time; default 1"
    )
    parser.add_argument("--quick", action="store_true", help="two rounds, each peer's fastest settings only")
    parser.add_argument("--row", action="append", help="only what fills this row; may be repeated")
    parser.add_argument("--peer", action="append", type=str.lower, help="only this peer; may be repeated")
    parser.add_argument("--count", type=int, help="at most so many tasks, to try a peer out")
    parser.add_argument("--prepare", action="store_true", help="make the environments, and end")
    parser.add_argument(
        "--json", default=str(LAST), help="where all figures go after each round; %(default)s"
    )
    parser.add_argument(
        "--from", dest="source", metavar="FILE", help="measure nothing; take such a file's figures"
    )
    parser.add_argument(
        "--merge", action="store_true", help="keep committed rows that this run does not measure"
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks and bench/results")
    parser.add_argument("--guard", action="store_true", help="fail where a ratio fell by more than a fifth")
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    measurements = _measurements(options.row, options.count)
    chosen = [v for v in variants() if not options.peer or v.peer.lower() in options.peer]
    if options.quick:
        chosen = [variant for variant in chosen if not variant.slow]
    with console.status("making the peers' environments"):
        peers = [install(variant, CACHE) for variant in chosen]
    before = json.loads((RESULTS / "figures.json").read_text()) if options.merge else {}

    def keep(found: Found) -> None:
        target.write_text(json.dumps(_result(found, peers, before), indent=1) + "\n")

    target = Path(options.json)
    budget = options.budget * 60 if options.budget else None
    rounds = Rounds(measurements, peers, Pace(CACHE / "seconds.json", budget), keep)
    most = 0 if options.prepare else options.rounds or (2 if options.quick else 5)
    try:
        rounds.run(most, options.least)
    except KeyboardInterrupt:
        rounds.found.notes.append(f"ended early, after {rounds.found.rounds} whole rounds")
        console.print(f"[red]{rounds.found.notes[-1]}[/red]")
        keep(rounds.found)
    return _result(rounds.found, peers, before)


def _measurements(rows: Sequence[str] | None, count: int | None) -> list[Measurement]:
    chosen = [m for m in MEASUREMENTS if not rows or m.name in rows or set(m.rows) & set(rows)]
    return [replace(m, count=min(m.count, count)) for m in chosen] if count else chosen


def _result(found: Found, peers: Sequence[Installed], before: Mapping[str, Any]) -> dict[str, Any]:
    today = datetime.now(UTC).date().isoformat()
    kept = {name: row for name, row in before.get("figures", {}).items() if name not in found.figures}
    notes = [f"{name}: from an earlier run ({before['when']})" for name in kept]
    return {
        "when": today,
        "machine": _machine(),
        "rounds": found.rounds,
        "versions": {**before.get("versions", {}), **{p.variant.peer: p.versions for p in peers}},
        "figures": {**kept, **found.figures},
        "notes": [*notes, *found.notes],
    }


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
