"""Processes that die or are stopped in the middle of their work."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from tests.faults.app import app
from tests.faults.row import Row
from tests.faults.runs import Run
from tests.faults.scenarios.scenario import Scenario, Size
from tests.faults.stage import KNOWN_AFTER, Stage
from tests.faults.stores import KINDS
from tq.contracts.broker import Cap
from tq.worker.watchdog import LOOKS, SHORTEST

BODY = 0.02
LONG_BODY = 2.5
LONGER_BODY = 6.0
FEW = 10


def kill_tree(stage: Stage, size: Size, title: str) -> Row:
    """Two workers; again and again one of them dies whole, and another one starts."""
    # What is unlucky three times goes to the dead letters, which is another scenario.
    workers = [stage.worker(worker_max_attempts=100), stage.worker(worker_max_attempts=100)]
    sent = (
        stage.flood(1, LONGER_BODY) + stage.flood(size.kills - 1, LONG_BODY) + stage.flood(size.tasks, BODY)
    )
    for number in range(1, size.kills + 1):
        if number == 1:
            # At least one that is known to the broker as running, and must count an attempt.
            stage.until(lambda: stage.running(since=KNOWN_AFTER + 0.2), "a long task under way")
        else:
            stage.ended(number * size.tasks // (size.kills + 2))
        victim = workers.pop(0)
        stage.fault()
        victim.kill()
        workers.append(stage.worker(worker_max_attempts=100))
    return stage.row(title, sent)


def kill_children(stage: Stage, size: Size, title: str) -> Row:
    """One worker; again and again one of its children dies while it runs something."""
    worker = stage.worker()
    # Where no order is kept, what was given back may come behind all that waits: there little waits at each death.
    parts = 1 if Cap.ORDER in app.broker.capabilities else size.kills
    sent: list[str] = []
    for number in range(1, size.kills + 1):
        if number <= parts:
            stage.ended(len(sent))
            sent += stage.flood(size.tasks // parts, BODY) + stage.flood(1, 1.0)
        stage.ended(number * size.tasks // (size.kills + 2) if parts == 1 else len(sent) - FEW)
        victim: Run = random.choice(stage.until(stage.running, "a task under way"))
        stage.fault()
        os.kill(victim.pid, signal.SIGKILL)
    row = stage.row(title, sent, recovery_limit=1.0)
    stage.require(worker.running, "the worker ended")
    return row


def stop_and_start(stage: Stage, size: Size, title: str) -> Row:
    """TERM in the middle of the work, and another worker."""
    worker = stage.worker()
    sent = stage.flood(size.tasks, BODY)
    for number in (1, 2):
        stage.ended(number * size.tasks // 4)
        worker.stop()
        stage.require(not stage.running(), "a body outlived its worker")
        worker = stage.worker()
    return stage.each_once(stage.row(title, sent))


def kill_supervisor(stage: Stage, size: Size, title: str) -> Row:
    """The parent of the children dies alone: they notice and end, and their tasks run again elsewhere."""
    worker = stage.worker(worker_max_attempts=100)
    sent = stage.flood(2, LONGER_BODY) + stage.flood(size.tasks // 3, BODY)
    stage.until(lambda: len(stage.running()) == 2, "two tasks under way")
    children = {run.pid for run in stage.running()}
    stage.worker(worker_max_attempts=100)
    stage.fault()
    worker.send(signal.SIGKILL)
    stage.until(lambda: not any(_lives(pid) for pid in children), "the end of the children")
    return stage.row(title, sent)


def _lives(pid: int) -> bool:
    """Whether a process works; nobody may have buried it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def hanging_child(stage: Stage, size: Size, title: str) -> Row:
    """A child that waits for work stops for ever, with its lease kept alive by its parent."""
    worker = stage.worker(1)
    stage.settle(stage.send(5, 0.0))
    (child,) = {run.pid for run in stage.runs()}
    os.kill(child, signal.SIGSTOP)
    since = time.time()
    sent = stage.send(20, BODY)
    recovery = stage.recovered(since, SHORTEST * 2)
    row = stage.row(title, sent, recovery=recovery, recovery_limit=SHORTEST * (1 + 2 / LOOKS))
    stage.require(worker.running, "the worker ended")
    stage.require("is replaced" in worker.output(), "nothing was logged")
    return row


SCENARIOS = (
    Scenario("SIGKILL of a whole worker", kill_tree, KINDS, short=KINDS),
    Scenario(
        "SIGKILL of a child", kill_children, KINDS, short=("redis", "sqlite", "postgresql", "rabbitmq", "sqs")
    ),
    Scenario("SIGKILL of the parent alone", kill_supervisor, KINDS, short=("redis", "sqlite")),
    Scenario("a child that hangs for ever", hanging_child, KINDS, short=()),
    Scenario(
        "TERM and a new worker, twice",
        stop_and_start,
        KINDS,
        short=("redis", "sqlite", "postgresql", "rabbitmq"),
    ),
)
