"""Tasks that are acknowledged before they run, in children that die: never twice, and never without an end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.e2e import tasks
from tests.e2e.test_crashes import pid_of
from tests.processes import Ledger, Workers, eventually
from tq import TQ, chord
from tq.errors import ChordError, TaskRevoked, TimeLimitExceeded, WorkerLost

WAIT = 60.0


def test_each_way_to_die_leaves_an_end_and_runs_nothing_twice(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path
) -> None:
    never = str(tmp_path / "never")
    worker = workers.start("-c", "1", pool="prefork", task_acks_late=False)
    exits = tasks.dies.delay("exits")
    with pytest.raises(WorkerLost, match="acknowledged before it ran"):
        exits.get(timeout=WAIT)

    killed = tasks.waits.delay("killed", never)
    child = pid_of(ledger, "killed")
    eventually(lambda: killed.state == "STARTED", "its trace")
    os.kill(child, signal.SIGKILL)
    with pytest.raises(WorkerLost, match="SIGKILL"):
        killed.get(timeout=WAIT)

    late = tasks.waits.apply_async(["late", never], time_limit=1)
    with pytest.raises(TimeLimitExceeded):
        late.get(timeout=WAIT)

    unwanted = tasks.waits.delay("unwanted", never)
    pid_of(ledger, "unwanted")
    unwanted.revoke(terminate=True)
    with pytest.raises(TaskRevoked):
        unwanted.get(timeout=WAIT)

    body = chord([tasks.add.s(1, 2), tasks.dies.s("member")])(tasks.note.si("body"))
    with pytest.raises(ChordError):
        body.get(timeout=WAIT)
    assert tasks.add.delay(1, 2).get(timeout=WAIT) == 3
    worker.stop()
    for line in ("dies exits", "start killed", "start late", "start unwanted", "dies member"):
        assert len(ledger.starting(line)) == 1, line


def test_a_whole_worker_that_is_killed_leaves_the_task_started(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path
) -> None:
    worker = workers.start("-c", "1", pool="prefork", task_acks_late=False, broker_lease=2)
    result = tasks.waits.delay("gone", str(tmp_path / "never"))
    pid_of(ledger, "gone")
    worker.kill()
    again = workers.start("-c", "1", pool="prefork", broker_lease=2)
    assert tasks.add.delay(1, 2).get(timeout=WAIT) == 3
    assert result.state == "STARTED"
    assert isinstance(result.info["pid"], int)
    again.stop()
    assert len(ledger.starting("start gone")) == 1
