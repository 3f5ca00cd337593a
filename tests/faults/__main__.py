"""`python -m tests.faults`: play scenarios and print their rows; `--write` puts the table into docs/reliability.md."""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.faults.page import write
from tests.faults.row import Row
from tests.faults.scenarios import SCENARIOS
from tests.faults.scenarios.scenario import LONG, MEDIUM, SHORT, Scenario, Size, Skip, play
from tests.faults.stores import KINDS, Servers, servers
from tests.services.catalog import ServiceMissing

SIZES = {"short": SHORT, "medium": MEDIUM, "long": LONG}


def main() -> int:
    """Play, print, and say by the exit status whether all is as promised."""
    options = _options()
    chosen = [s for s in SCENARIOS if not options.scenarios or s.name in options.scenarios]
    titles = [scenario.title for scenario in SCENARIOS]
    command = f"nox -s faults -- {' '.join(sys.argv[1:])}"
    rows: list[Row] = []
    failed = 0
    with servers() as running:
        for scenario in chosen:
            for kind in scenario.brokers:
                if kind in options.brokers:
                    row = _one(scenario, kind, SIZES[options.size], running)
                    rows += [row] if row else []
                    failed += row is None or bool(row.complaints() or row.delays())
            if options.write:
                # After each scenario: a long run that is interrupted has not been in vain.
                write(rows, titles, options.size, SIZES[options.size], command)
    return 1 if failed else 0


def _one(scenario: Scenario, kind: str, size: Size, running: Servers) -> Row | None:
    folder = Path(tempfile.mkdtemp(prefix="tq-fault-"))
    began = time.monotonic()
    said = io.StringIO()
    try:
        # What the workers said matters only where something went wrong.
        with contextlib.redirect_stdout(said):
            row = play(scenario, kind, size, running, folder)
    except (Skip, ServiceMissing) as reason:
        print(f"{scenario.name} {kind}: skipped: {reason}", flush=True)
        return None
    except Exception:  # noqa: BLE001 - the others are played all the same
        print(f"{scenario.name} {kind}: ended with", flush=True)
        traceback.print_exc()
        return None
    else:
        if row.complaints() or row.delays():
            Path(tempfile.gettempdir(), f"fault-{scenario.name}-{kind}.txt").write_text(said.getvalue())
        took = time.monotonic() - began
        print(f"{scenario.name} {kind} ({took:.1f} s): {row.summary()}", flush=True)
        return row
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help=f"names; default: all of {[s.name for s in SCENARIOS]}")
    parser.add_argument("--size", choices=SIZES, default="short")
    parser.add_argument("--brokers", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
