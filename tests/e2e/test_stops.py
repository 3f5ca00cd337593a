"""How a worker stops: TERM and INT let running tasks end, a second one hands everything back at once."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.e2e import tasks
from tests.processes import Ledger, Workers, eventually
from tq import TQ

WAIT = 60.0
POOLS = {"solo": (), "prefork": ("-c", "2"), "threads": ("-c", "2")}
SLOTS = {"solo": 1, "prefork": 2, "threads": 2}


@pytest.mark.parametrize(
    ("pool", "number"),
    [(pool, signal.SIGTERM) for pool in POOLS] + [("prefork", signal.SIGINT), ("solo", signal.SIGINT)],
)
def test_a_stop_lets_running_tasks_end_and_leaves_the_others_waiting(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path, pool: str, number: int
) -> None:
    worker = workers.start(*POOLS[pool], pool=pool)
    barrier = str(tmp_path / "go")
    running = [tasks.waits.delay(f"running-{slot}", barrier) for slot in range(SLOTS[pool])]
    eventually(lambda: len(ledger.starting("start running")) == SLOTS[pool], "all slots taken")
    waiting = [tasks.note.delay(f"waiting-{place}") for place in range(20)]
    worker.send(number)
    worker.wait_for(f"is stopping; tasks that still run: {SLOTS[pool]}")
    time.sleep(0.3)  # A worker that stops at once has ended by then.
    assert worker.running
    Path(barrier).touch()
    assert worker.wait() == 0
    assert "has stopped" in worker.output()
    assert [result.get(timeout=WAIT)[1] for result in running] == [1] * len(running)
    assert ledger.starting("waiting") == []
    assert app.broker.stats("celery").ready == len(waiting)
    workers.start().wait_for("succeeded", times=len(waiting))
    assert [result.get(timeout=WAIT) for result in waiting] == [f"waiting-{n}" for n in range(20)]
    assert all(count == 1 for count in ledger.counts().values())


@pytest.mark.parametrize("pool", POOLS)
def test_a_second_stop_hands_running_tasks_to_another_worker_at_once(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path, pool: str
) -> None:
    first = workers.start(*POOLS[pool], pool=pool)
    barrier = tmp_path / "go"
    result = tasks.waits.delay("handed", str(barrier))
    eventually(lambda: ledger.starting("start handed"), "the first run")
    first.send(signal.SIGTERM)
    time.sleep(0.3)  # Two signals at the same moment are one.
    first.send(signal.SIGTERM)
    assert first.wait() == 0
    second = workers.start()
    eventually(lambda: len(ledger.starting("start handed")) == 2, "the second run", seconds=20)
    barrier.touch()
    # It was handed back, not lost with its worker: that counts as no attempt.
    assert result.get(timeout=WAIT) == ["handed", 1]
    second.stop()
    assert ledger.counts()["end handed"] == 1


def test_a_worker_stops_at_once_while_it_waits_for_work(workers: Workers) -> None:
    for pool, more in POOLS.items():
        workers.start(*more, pool=pool).stop()
