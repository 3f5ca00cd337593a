"""Playing what was asked for on one kind of broker."""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path

from tests.faults import page
from tests.faults.row import Row
from tests.faults.scenarios import SCENARIOS
from tests.faults.scenarios.scenario import LONG, MEDIUM, SHORT, Scenario, Size, Skip, play
from tests.faults.stores import KINDS, Servers, servers
from tests.services.catalog import ServiceMissing

SIZES = {"short": SHORT, "medium": MEDIUM, "long": LONG}


def play_broker(kind: str, options: argparse.Namespace) -> int:
    """Play what is chosen on one kind of broker; how many of it failed."""
    chosen = [s for s in SCENARIOS if not options.scenarios or s.name in options.scenarios]
    failed = 0
    with servers() as running:
        for scenario in chosen:
            if kind in scenario.brokers:
                row = _one(scenario, kind, SIZES[options.size], running)
                failed += row is None or bool(row.complaints() or row.delays())
                if row is not None and options.write:
                    if options.size != "long":
                        row = replace(row, notes=(*row.notes, f"size {options.size}"))
                    # At once: a long run that is interrupted has not been in vain.
                    page.write(row, SCENARIOS, "" if is_whole(options) else command_of(options))
    return failed


def is_whole(options: argparse.Namespace) -> bool:
    """Whether all scenarios are played on all brokers."""
    return not options.scenarios and len(options.brokers) == len(KINDS)


def command_of(options: argparse.Namespace) -> str:
    """The command that was given."""
    return f"python -m nox -s faults -- {' '.join(options.words)}"


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
