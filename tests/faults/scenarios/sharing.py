"""Several workers on one queue, and one that was paused for so long that it was declared dead."""

from __future__ import annotations

import os
import signal
import time

from tests.faults.app import follow
from tests.faults.row import LEASE, Row
from tests.faults.scenarios.scenario import Scenario, Size
from tests.faults.stage import Stage
from tests.faults.stores import KINDS

UNDER_WAY = 4.0
"""Seconds that a body takes: a busy machine needs some of them to see that it runs."""


def contention(stage: Stage, size: Size, title: str) -> Row:
    """Two workers take quick tasks, in batches, from one queue."""
    stage.worker()
    stage.worker()
    sent = stage.flood(4 * size.tasks, 0.0)
    return stage.each_once(stage.row(title, sent))


def paused(stage: Stage, size: Size, title: str) -> Row:
    """A worker stands still beyond its lease, then goes on: its late settlement changes nothing."""
    stage.outlives_lease = True
    zombie = stage.worker()
    sent = stage.send(2, UNDER_WAY, link=follow.s()) + stage.send(20, 0.0, link=follow.s())
    stage.until(lambda: len(stage.running()) == 2, "two tasks under way")
    with stage.outage():
        os.killpg(zombie.pid, signal.SIGSTOP)
        other = stage.worker()
        time.sleep(LEASE)
        stage.ended(len(sent))
        os.killpg(zombie.pid, signal.SIGCONT)
        # What it ran ends a second time, in its own process.
        time.sleep(1.2)
    other.stop()
    after = stage.send(5, 0.0, link=follow.s())
    row = stage.row(title, [*sent, *after])
    stage.require(zombie.running, "the paused worker ended")
    follows = {run.task_id for run in stage.runs()} - set(sent) - set(after)
    wanted = len(sent) + len(after)
    stage.until(lambda: len({run.task_id for run in stage.runs()}) >= 2 * wanted, "all that follows")
    stage.require(len(follows) <= wanted, f"{len(follows)} follow-ups of {wanted} tasks")
    return row


SCENARIOS = (
    Scenario("two workers contend for quick tasks", contention, KINDS, short=("redis", "sqlite")),
    Scenario(
        "a worker paused beyond its lease goes on",
        paused,
        KINDS,
        short=("redis", "sqlite", "postgresql", "rabbitmq"),
    ),
)
