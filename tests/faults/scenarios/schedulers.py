"""Two schedulers of one schedule, of which the one that leads dies."""

from __future__ import annotations

import itertools
import math
import sys
from contextlib import ExitStack

from tests.faults.app import EVERY
from tests.faults.row import LEASE, Row
from tests.faults.scenarios.scenario import Scenario, Size
from tests.faults.stage import Stage
from tests.processes import Program

KEEP_SCHEDULES = ("redis", "sqlite", "postgresql", "mariadb")
TICKS = 5
"""Ends that are waited for after each death."""
LEADS = " leads\n"


def two_schedulers(stage: Stage, size: Size, title: str) -> Row:
    """Whoever leads is killed, again and again: each due time is sent once, and none is left out."""
    stage.worker()
    with ExitStack() as ends:

        def beat() -> Program:
            command = [
                sys.executable,
                "-m",
                "tq",
                "-A",
                "tests.faults.app",
                "-b",
                stage.url,
                "beat",
                "-l",
                "INFO",
            ]
            program = Program(command, {"TQ_BEAT_LEASE": str(LEASE)})
            ends.callback(program.close)
            return program

        beats = [beat(), beat()]
        for number in range(1, size.kills + 1):
            leader = stage.until(lambda: next((b for b in beats if LEADS in b.output()), None), "a leader")
            beats.remove(leader)
            stage.ended(number * TICKS)
            leader.kill()
            beats.append(beat())
        stage.ended((size.kills + 2) * TICKS + math.ceil(size.kills * LEASE / EVERY))
        for program in beats:
            program.wait_for("[periodic tasks of the code]")
            program.stop()
    dues = sorted(int(run.task_id) for run in stage.runs())
    wanted = range(dues[0], dues[-1] + 1)
    row = stage.row(title, [str(due) for due in wanted], recovery=_gap(stage), results=False)
    return stage.each_once(row)


def _gap(stage: Stage) -> float:
    """The longest time between two starts that followed each other."""
    starts = sorted(run.start for run in stage.runs())
    return max((after - before for before, after in itertools.pairwise(starts)), default=0.0)


SCENARIOS = (
    Scenario(
        "two schedulers, the leader killed",
        two_schedulers,
        KEEP_SCHEDULES,
        short=("redis",),
        because="it is no store of schedules: beats use another one",
    ),
)
