"""Memory of a worker over many tasks."""

from __future__ import annotations

import os
from pathlib import Path

from tests.faults.row import Row
from tests.faults.scenarios.scenario import Scenario, Size
from tests.faults.stage import Stage
from tests.processes import Program

WARM = 1_000
ALLOWED = 1.0
"""MB of growth for each 100,000 tasks."""
NOISE = 1.5
"""MB by which a process differs from itself at two moments."""
CACHE = {"sqlite": 2.0}
"""MB that a connection fills with pages of the database before it stays as it is."""
PAGE = os.sysconf("SC_PAGE_SIZE")


def growth(stage: Stage, size: Size, title: str) -> Row:
    """Many quick tasks: each process of the worker must stay as large as it was."""
    worker = stage.worker()
    sent = stage.flood(WARM, 0.0)
    stage.settle(sent)
    before = _sizes(worker)
    sent += stage.flood(size.memory_tasks, 0.0)
    row = stage.row(title, sent)
    after = _sizes(worker)
    stage.require(before.keys() == after.keys(), "a process of the worker was replaced")
    grown = max(after[pid] - before[pid] for pid in before.keys() & after.keys())
    allowed = ALLOWED * size.memory_tasks / 100_000 + NOISE + CACHE.get(stage.store.kind, 0.0)
    stage.require(grown <= allowed, f"a process grew by {grown:.1f} MB over {size.memory_tasks:,} tasks")
    stage.notes.append(f"growth {grown:.2f} MB over {size.memory_tasks:,} tasks")
    return row


def _sizes(worker: Program) -> dict[int, float]:
    """Resident MB of each process of the worker."""
    sizes = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group = int((folder / "stat").read_text().rpartition(")")[2].split()[2])
            if group == worker.pid:
                sizes[int(folder.name)] = int((folder / "statm").read_text().split()[1]) * PAGE / 1e6
        except (FileNotFoundError, ProcessLookupError):
            continue
    return sizes


SCENARIOS = (
    Scenario(
        "memory over many tasks",
        growth,
        ("redis", "sqlite", "postgresql", "mariadb", "rabbitmq", "filesystem"),
        short=("redis",),
        because="an emulator of this speed would take an hour over it",
    ),
)
