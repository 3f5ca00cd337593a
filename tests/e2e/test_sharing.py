"""Several workers: nobody waits behind a slow neighbour, nothing runs twice, what is revoked never runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import tasks
from tests.e2e.conftest import connected
from tests.processes import Ledger, Workers, eventually
from tq import TQ
from tq.errors import TaskRevoked

WAIT = 60.0


def test_quick_tasks_do_not_wait_behind_a_slow_one(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path
) -> None:
    first = workers.start()
    # A worker that has seen quick tasks takes many at once.
    for result in [tasks.note.delay(f"warm-{number}") for number in range(100)]:
        result.get(timeout=WAIT)
    barrier = tmp_path / "go"
    slow = tasks.waits.delay("slow", str(barrier))
    quick = [tasks.note.delay(f"quick-{number}") for number in range(200)]
    second = workers.start()
    assert len({result.get(timeout=WAIT) for result in quick}) == 200
    assert not ledger.has("end slow")
    barrier.touch()
    assert slow.get(timeout=WAIT) == ["slow", 1]
    first.stop()
    second.stop()
    assert max(ledger.counts().values()) == 1


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_long_task_gives_what_waits_behind_it_to_its_neighbours(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path, pool: str
) -> None:
    worker = workers.start("-c", "2", pool=pool)
    for result in [tasks.note.delay(f"warm-{number}") for number in range(100)]:
        result.get(timeout=WAIT)
    barrier = tmp_path / "go"
    slow = tasks.waits.delay("slow", str(barrier))
    quick = [tasks.note.delay(f"quick-{number}") for number in range(200)]
    assert len({result.get(timeout=WAIT) for result in quick}) == 200
    barrier.touch()
    assert slow.get(timeout=WAIT) == ["slow", 1]
    worker.stop()
    assert max(ledger.counts().values()) == 1


def test_many_workers_run_each_task_once(app: TQ, workers: Workers, ledger: Ledger) -> None:
    several = [
        workers.start("-c", "2", pool="prefork"),
        workers.start("-c", "2", pool="threads"),
        workers.start(),
    ]
    results = [tasks.note.delay(f"shared-{number}") for number in range(500)]
    assert [result.get(timeout=WAIT) for result in results] == [f"shared-{number}" for number in range(500)]
    for worker in several:
        worker.stop()
    assert ledger.counts() == {f"shared-{number}": 1 for number in range(500)}


def test_a_revoked_task_never_runs(app: TQ, workers: Workers, ledger: Ledger) -> None:
    unwanted = tasks.note.delay("unwanted")
    wanted = tasks.note.delay("wanted")
    unwanted.revoke()
    worker = workers.start()
    with pytest.raises(TaskRevoked):
        unwanted.get(timeout=WAIT)
    assert unwanted.state == "REVOKED"
    assert wanted.get(timeout=WAIT) == "wanted"
    worker.stop()
    assert ledger.lines() == ["wanted"]


def test_a_task_that_waits_for_its_time_can_be_revoked_while_workers_run(
    app: TQ, workers: Workers, ledger: Ledger
) -> None:
    worker = workers.start()
    tasks.note.delay("first").get(timeout=WAIT)
    later = tasks.note.apply_async(["unwanted"], countdown=2)
    later.revoke()
    with pytest.raises(TaskRevoked):
        later.get(timeout=WAIT)
    worker.stop()
    assert ledger.lines() == ["first"]


def test_a_running_task_can_be_terminated(app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path) -> None:
    worker = workers.start("-c", "1", pool="prefork")
    endless = tasks.waits.delay("endless", str(tmp_path / "never"))
    eventually(lambda: ledger.starting("start endless"), "the task")
    endless.revoke(terminate=True)
    with pytest.raises(TaskRevoked):
        endless.get(timeout=WAIT)
    assert tasks.add.delay(1, 2).get(timeout=WAIT) == 3
    worker.stop()
    assert len(ledger.starting("start endless")) == 1


def test_the_same_on_postgresql(postgres_url: str, ledger: Ledger, tmp_path: Path) -> None:
    workers = Workers("tests.e2e.tasks", postgres_url, postgres_url, ledger)
    try:
        with connected(postgres_url, postgres_url) as app:
            several = [workers.start("-c", "2", pool="prefork"), workers.start()]
            barrier = tmp_path / "go"
            slow = tasks.waits.delay("slow", str(barrier))
            results = [tasks.note.delay(f"shared-{number}") for number in range(100)]
            later = tasks.note.apply_async(["later"], countdown=1)
            assert [result.get(timeout=WAIT) for result in results] == [f"shared-{n}" for n in range(100)]
            barrier.touch()
            assert slow.get(timeout=WAIT) == ["slow", 1]
            assert later.get(timeout=WAIT) == "later"
            assert tasks.flaky.delay(2).get(timeout=WAIT) == 2
            for worker in several:
                worker.stop()
            assert app.broker.stats("celery").ready == 0
    finally:
        workers.close()
    assert max(ledger.counts().values()) == 1
