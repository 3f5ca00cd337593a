"""Tasks and countdowns that are longer than every timer of the system."""

from __future__ import annotations

import time

from tests.faults.row import LEASE, RECOVERY, Row
from tests.faults.scenarios.scenario import Scenario, Size
from tests.faults.stage import Stage
from tests.faults.stores import KINDS

LONG = 3 * LEASE


def long_task(stage: Stage, size: Size, title: str) -> Row:
    """A task takes three leases, and another worker would like to have it."""
    stage.worker()
    sent = stage.send(2, LONG)
    stage.until(lambda: len(stage.running()) == 2, "the tasks under way")
    stage.worker()
    return stage.each_once(stage.row(title, sent))


def countdown(stage: Stage, size: Size, title: str) -> Row:
    """Countdowns of three leases."""
    stage.worker()
    due = time.time() + LONG
    sent = stage.send(size.countdowns, 0.0, countdown=LONG)
    return _on_time(stage, stage.row(title, sent), due)


def countdown_killed(stage: Stage, size: Size, title: str) -> Row:
    """The same, and the worker is killed meanwhile."""
    worker = stage.worker()
    due = time.time() + LONG
    sent = stage.send(size.countdowns, 0.0, countdown=LONG)
    time.sleep(LEASE)
    worker.kill()
    stage.worker()
    return _on_time(stage, stage.row(title, sent), due)


def _on_time(stage: Stage, row: Row, due: float) -> Row:
    runs = stage.runs()
    early = min(run.start for run in runs) - due
    late = max(run.start for run in runs) - due
    stage.require(early > -0.05, f"a countdown ended {-early:.2f} s too early")
    stage.require_in_time(late < RECOVERY, f"a countdown ended {late:.1f} s too late")
    return stage.each_once(row)


SCENARIOS = (
    Scenario("task of 3 leases", long_task, KINDS, short=("redis", "sqlite")),
    Scenario("countdowns of 3 leases", countdown, KINDS, short=("redis",)),
    Scenario(
        "the same, worker killed meanwhile",
        countdown_killed,
        KINDS,
        short=("sqlite", "postgresql", "rabbitmq"),
    ),
)
