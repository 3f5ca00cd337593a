"""Tasks of which one at a time waits or runs, and the death of the worker that runs it."""

from __future__ import annotations

import os

from tests.faults.app import alone
from tests.faults.row import Row
from tests.faults.scenarios.scenario import Scenario, Size
from tests.faults.stage import KNOWN_AFTER, Stage

BODY = 2.5
CALLS = 20
KEEP_LOCKS = ("redis", "sqlite", "postgresql", "mariadb")


def one_at_a_time(stage: Stage, size: Size, title: str) -> Row:
    """Equal calls while one waits, while it runs, and while its worker is dead: all of them are that one."""
    workers = [stage.worker(worker_max_attempts=100), stage.worker(worker_max_attempts=100)]
    sent: list[str] = []
    for _ in range(size.kills):
        names = {_call() for _ in range(CALLS)}
        (run, *_) = stage.until(lambda: stage.running(since=KNOWN_AFTER + 0.2), "the task under way")
        victim = next(worker for worker in workers if worker.pid == os.getpgid(run.pid))
        names |= {_call() for _ in range(CALLS)}
        stage.fault()
        victim.kill()
        names |= {_call() for _ in range(CALLS)}
        workers.remove(victim)
        workers.append(stage.worker(worker_max_attempts=100))
        stage.require(len(names) == 1, f"{3 * CALLS} equal calls became {len(names)} tasks")
        sent += names
        stage.settle(sent)
    stage.require(len(set(sent)) == size.kills, "a call after the end of the task was not a new one")
    stage.notes.append(f"{3 * CALLS * size.kills} calls")
    return stage.row(title, sent)


def _call() -> str:
    return alone.apply_async([BODY], unique_for=600).id


SCENARIOS = (
    Scenario(
        "equal calls with `unique_for`, worker killed",
        one_at_a_time,
        KEEP_LOCKS,
        short=("redis", "sqlite"),
        because="it keeps no locks, and refuses such a call",
    ),
)
