"""Children and whole workers that die: nothing is lost, what ran runs again, killers end as dead letters."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e import tasks
from tests.processes import Ledger, Program, Workers, eventually
from tq import TQ
from tq.errors import TimeLimitExceeded, WorkerLost

WAIT = 60.0


def pid_of(ledger: Ledger, name: str) -> int:
    """The process of the newest run."""
    lines = eventually(lambda: ledger.starting(f"start {name} "), f"{name} to start")
    return int(lines[-1].split()[2])


def test_a_killed_childs_task_runs_again_long_before_a_lease_ends(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path
) -> None:
    worker = workers.start("-c", "2", pool="prefork", broker_lease=600)
    barrier = tmp_path / "go"
    result = tasks.waits.delay("killed", str(barrier))
    first = pid_of(ledger, "killed")
    neighbours = [tasks.note.delay(f"neighbour-{number}") for number in range(50)]
    os.kill(first, signal.SIGKILL)
    eventually(lambda: len(ledger.starting("start killed")) == 2, "the second run", seconds=20)
    assert pid_of(ledger, "killed") != first
    barrier.touch()
    assert result.get(timeout=WAIT) == ["killed", 2]
    assert len({neighbour.get(timeout=WAIT) for neighbour in neighbours}) == 50
    worker.stop()
    assert all(ledger.counts()[f"neighbour-{number}"] == 1 for number in range(50))


@pytest.mark.parametrize("pool", ["solo", "prefork", "threads"])
def test_a_killed_workers_tasks_run_again_elsewhere_when_its_lease_ends(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path, pool: str
) -> None:
    first = workers.start(*(() if pool == "solo" else ("-c", "1")), pool=pool, broker_lease=2)
    barrier = tmp_path / "go"
    result = tasks.waits.delay("crashed", str(barrier))
    others = [tasks.note.delay(f"other-{number}") for number in range(20)]
    pid_of(ledger, "crashed")
    first.kill()
    second = workers.start("-c", "2", pool="prefork", broker_lease=2)
    eventually(lambda: len(ledger.starting("start crashed")) == 2, "the second run", seconds=30)
    barrier.touch()
    assert result.get(timeout=WAIT) == ["crashed", 2]
    assert len({other.get(timeout=WAIT) for other in others}) == 20
    second.stop()
    assert ledger.counts()["end crashed"] == 1


def test_children_end_with_their_killed_parent_and_their_tasks_run_again(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path
) -> None:
    first = workers.start("-c", "2", pool="prefork", broker_lease=2)
    barrier = tmp_path / "go"
    result = tasks.waits.delay("orphaned", str(barrier))
    pid_of(ledger, "orphaned")
    first.send(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    second = workers.start(broker_lease=2)
    eventually(lambda: len(ledger.starting("start orphaned")) == 2, "the second run", seconds=30)
    barrier.touch()
    assert result.get(timeout=WAIT)[0] == "orphaned"
    second.stop()
    assert ledger.counts()["end orphaned"] == 1


@pytest.mark.parametrize("task", [tasks.dies, tasks.dies_by_signal], ids=["exit", "signal"])
def test_a_task_that_kills_its_process_ends_as_a_dead_letter_after_three_attempts(
    app: TQ, workers: Workers, ledger: Ledger, task: object
) -> None:
    worker = workers.start("-c", "2", pool="prefork")
    killer = tasks.dies.delay("killer") if task is tasks.dies else tasks.dies_by_signal.delay("killer")
    neighbours = [tasks.note.delay(f"neighbour-{number}") for number in range(100)]
    with pytest.raises(WorkerLost):
        killer.get(timeout=WAIT)
    assert killer.state == "FAILURE"
    assert ledger.counts()["dies killer"] == 3
    (letter,) = app.broker.dead_letters("celery")
    assert getattr(letter.message, "headers", {})["id"] == killer.id
    assert letter.reason
    assert len({neighbour.get(timeout=WAIT) for neighbour in neighbours}) == 100
    worker.stop()
    # What ended in the killer's own batch a moment before it may run again; nothing else is charged or buried.
    assert all(ledger.counts()[f"neighbour-{number}"] >= 1 for number in range(100))
    assert app.broker.stats("celery").ready == 0


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_a_task_that_ends_its_whole_worker_at_once_cannot_do_so_for_ever(
    app: TQ, workers: Workers, ledger: Ledger, pool: str
) -> None:
    before = [tasks.note.delay(f"neighbour-{number}") for number in range(3)]
    killer = tasks.dies.delay("killer")
    neighbours = before + [tasks.note.delay(f"neighbour-{number}") for number in range(3, 5)]
    with service_manager(lambda: start(workers, pool)):
        with pytest.raises(WorkerLost):
            killer.get(timeout=WAIT)
        assert len({neighbour.get(timeout=WAIT) for neighbour in neighbours}) == 5
    (letter,) = app.broker.dead_letters("celery")
    assert (getattr(letter.message, "headers", {})["id"], letter.attempt) == (killer.id, 3)
    assert "died" in letter.reason
    # It may have killed as a neighbour of the one that was charged in its place.
    assert 3 <= ledger.counts()["dies killer"] <= 5
    assert killer.state == "FAILURE"
    assert {neighbour.state for neighbour in neighbours} == {"SUCCESS"}
    assert app.broker.stats("celery").ready == 0


def start(workers: Workers, pool: str) -> Program:
    """A worker that may die before anybody hears of it."""
    return workers.start(*(() if pool == "solo" else ("-c", "4")), pool=pool, broker_lease=2, ready=False)


@contextmanager
def service_manager(start: Callable[[], Program]) -> Iterator[None]:
    """Keep one worker running while the block runs: one that ended is started again."""
    ended = threading.Event()

    def look_after_it() -> None:
        worker = start()
        while not ended.wait(0.1):
            if not worker.running:
                worker = start()

    manager = threading.Thread(target=look_after_it)
    manager.start()
    try:
        yield
    finally:
        ended.set()
        manager.join()


def test_a_hard_time_limit_kills_the_child_and_nothing_else(
    app: TQ, workers: Workers, ledger: Ledger
) -> None:
    worker = workers.start("-c", "2", pool="prefork")
    blocked = tasks.slow.apply_async(["blocked", 300], time_limit=0.5)
    neighbours = [tasks.note.delay(f"neighbour-{number}") for number in range(50)]
    with pytest.raises(TimeLimitExceeded):
        blocked.get(timeout=WAIT)
    assert len({neighbour.get(timeout=WAIT) for neighbour in neighbours}) == 50
    worker.stop()
    assert len(ledger.starting("start blocked")) == 1
    assert all(ledger.counts()[f"neighbour-{number}"] == 1 for number in range(50))
    assert app.broker.stats("celery").ready == 0


def test_a_living_worker_keeps_a_task_that_is_far_longer_than_the_lease(
    app: TQ, workers: Workers, ledger: Ledger
) -> None:
    # In C code, without the interpreter lock ever given away: the heartbeats are another process's.
    busy = workers.start("-c", "1", pool="prefork", broker_lease=2)
    result = tasks.hold_interpreter.delay("long", 7)
    pid_of(ledger, "long")
    other = workers.start(broker_lease=2)
    assert result.get(timeout=WAIT) == ["long", 1]
    busy.stop()
    other.stop()
    assert len(ledger.starting("start long")) == 1
