"""`python -m tests.faults`: play scenarios and print their rows; `--write` puts them into docs/reliability.md.

One broker after the other, or `--jobs` of them side by side.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

from tests.faults import page
from tests.faults.playing import SIZES, command_of, is_whole, play_broker
from tests.faults.scenarios import SCENARIOS
from tests.faults.stores import KINDS


def main() -> int:
    """Play, print, and say by the exit status whether all is as promised."""
    options = _options()
    if options.write and is_whole(options):
        page.begin(SCENARIOS, options.size, SIZES[options.size], command_of(options))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, spawn) as jobs:
        failed = sum(jobs.map(play_broker, options.brokers, itertools.repeat(options)))
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help=f"names; default: all of {[s.name for s in SCENARIOS]}")
    parser.add_argument("--size", choices=SIZES, default="short")
    parser.add_argument("--brokers", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--jobs", type=int, default=1, help="brokers to play side by side")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - {scenario.name for scenario in SCENARIOS}:
        parser.error(f"no such scenarios: {', '.join(sorted(unknown))}")
    options.words = sys.argv[1:]
    return options


if __name__ == "__main__":
    sys.exit(main())
