"""Memory of a worker over many tasks."""

from __future__ import annotations

import re
from pathlib import Path

from tests.faults.row import Row
from tests.faults.scenarios.scenario import Scenario, Size
from tests.faults.stage import Stage
from tests.faults.stores import KINDS
from tests.processes import Program

WARM = 4
"""What part of the tasks runs before anything is counted: caches fill, such as SQLite's 2 MB of pages for each connection."""
ROUND = 10_000
FEWER = {"mongodb": 10}
"""By how much fewer tasks, and smaller rounds, where an emulator is so slow that the whole number would take hours."""
ALLOWED = 1.0
"""MB of growth for each 100,000 tasks."""
NOISE = 1.5
"""MB by which a process differs from itself at two moments."""
_ANONYMOUS = re.compile(r"^Anonymous:\s+(\d+) kB$", re.MULTILINE)


def growth(stage: Stage, size: Size, title: str) -> Row:
    """Many quick tasks: once it is warm, each process of the worker must stay as large as it was."""
    fewer = FEWER.get(stage.store.kind, 1)
    count, at_once = size.memory_tasks // fewer, ROUND // fewer
    # Before there is a worker: it meets the largest backlog before anything is counted.
    sent = stage.flood(min(at_once, count // WARM), 0.0)
    worker = stage.worker()
    _more(stage, sent, count // WARM, at_once)
    before = _sizes(worker)
    _more(stage, sent, count // WARM + count, at_once)
    row = stage.row(title, sent)
    after = _sizes(worker)
    stage.require(before.keys() == after.keys(), "a process of the worker was replaced")
    grown = max(after[pid] - before[pid] for pid in before.keys() & after.keys())
    allowed = max(ALLOWED * count / 100_000, NOISE)
    stage.require(grown <= allowed, f"a process grew by {grown:.1f} MB over {count:,} tasks")
    stage.notes.append(f"growth {grown:.2f} MB over {count:,} tasks")
    return row


def _more(stage: Stage, sent: list[str], count: int, at_once: int) -> None:
    """Have all of `sent` end, and send more until there are so many: in rounds, since a backlog takes memory too."""
    stage.ended(len(sent), 600.0)
    while len(sent) < count:
        sent += stage.flood(min(at_once, count - len(sent)), 0.0)
        stage.ended(len(sent), 600.0)


def _sizes(worker: Program) -> dict[int, float]:
    """MB in RAM of each process of the worker that are no part of a file: its heap, whether a fork still shares it or not."""
    sizes = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group = int((folder / "stat").read_text().rpartition(")")[2].split()[2])
            if group == worker.pid:
                found = _ANONYMOUS.search((folder / "smaps_rollup").read_text())
                assert found is not None
                sizes[int(folder.name)] = int(found[1]) * 1024 / 1e6
        except (FileNotFoundError, ProcessLookupError):
            continue
    return sizes


SCENARIOS = (Scenario("memory over many tasks", growth, KINDS, short=("redis",)),)
