"""Workers on the emulator: killed ones lose nothing, living ones keep what they run, killers end as dead letters."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import tasks
from tests.e2e.conftest import connected
from tests.processes import Ledger, Workers, eventually
from tq import TQ
from tq.contracts.broker import Cap
from tq.errors import TimeLimitExceeded, WorkerLost

WAIT = 60.0
LEASE = 4
"""Seconds; long enough for a machine that stalls."""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """What really ran."""
    return Ledger(tmp_path / "ledger.txt")


@pytest.fixture
def results(tmp_path: Path) -> str:
    """The result backend."""
    return f"sqlite:///{tmp_path}/results.db"


@pytest.fixture
def app(sqs_url: str, results: str) -> Iterator[TQ]:
    """The client's side."""
    with connected(sqs_url, results) as ready:
        yield ready


@pytest.fixture
def workers(sqs_url: str, results: str, ledger: Ledger) -> Iterator[Workers]:
    """Starts workers, and ends them whatever happens."""
    started = Workers("tests.e2e.tasks", sqs_url, results, ledger)
    yield started
    started.close()


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_killed_worker_loses_nothing(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path, pool: str
) -> None:
    first = workers.start(*(() if pool == "solo" else ("-c", "2")), pool=pool, broker_lease=LEASE)
    barrier = tmp_path / "go"
    result = tasks.waits.delay("crashed", str(barrier))
    others = [tasks.note.delay(f"other-{number}") for number in range(20)]
    eventually(lambda: ledger.starting("start crashed"), "the first run")
    first.kill()
    second = workers.start("-c", "2", pool="prefork", broker_lease=LEASE)
    eventually(lambda: len(ledger.starting("start crashed")) == 2, "the second run")
    barrier.touch()
    assert result.get(timeout=WAIT) == ["crashed", 1]
    assert len({other.get(timeout=WAIT) for other in others}) == 20
    second.stop()
    assert ledger.counts()["end crashed"] == 1


def test_a_task_that_runs_for_many_leases_is_given_to_nobody_else(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path
) -> None:
    barrier = tmp_path / "go"
    for _ in range(2):
        workers.start(pool="solo", broker_lease=LEASE)
    long = tasks.waits.delay("long", str(barrier))
    eventually(lambda: ledger.starting("start long"), "it runs")
    # The other worker is free, and after this the lease would have ended twice.
    tasks.note.apply_async(("later",), countdown=2 * LEASE).get(timeout=WAIT)
    assert len(ledger.starting("start long")) == 1
    barrier.touch()
    assert long.get(timeout=WAIT) == ["long", 1]


def test_a_task_that_kills_its_process_ends_as_a_dead_letter(
    app: TQ, workers: Workers, ledger: Ledger
) -> None:
    # Longer than the test may take: what a child ran comes back because its parent says so.
    workers.start("-c", "1", pool="prefork", broker_lease=600)
    killer = tasks.dies.delay("killer")
    with pytest.raises(WorkerLost, match="exited with status"):
        killer.get(timeout=WAIT)
    assert ledger.counts()["dies killer"] == 3
    (letter,) = eventually(lambda: app.broker.dead_letters("celery"), "the dead letter")
    assert "exited with status" in letter.reason
    assert tasks.add.delay(1, 2).get(timeout=WAIT) == 3


def test_a_task_over_its_hard_time_limit_does_not_run_again(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path
) -> None:
    worker = workers.start("-c", "1", pool="prefork", broker_lease=LEASE)
    result = tasks.waits.apply_async(["ended", str(tmp_path / "never")], time_limit=1)
    with pytest.raises(TimeLimitExceeded):
        result.get(timeout=WAIT)
    # After this its lease would have ended.
    tasks.note.apply_async(("later",), countdown=LEASE + 1).get(timeout=WAIT)
    worker.stop()
    assert len(ledger.starting("start ended")) == 1
    assert app.broker.stats("celery").in_flight == 0


def test_a_worker_that_is_stopped_gives_back_what_it_has_not_started(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path
) -> None:
    assert Cap.ATTEMPTS not in app.broker.capabilities
    barrier = tmp_path / "go"
    worker = workers.start(pool="solo", broker_lease=60)
    running = tasks.waits.delay("running", str(barrier))
    waiting = [tasks.note.delay(f"waiting-{number}") for number in range(15)]
    eventually(lambda: ledger.starting("start running"), "it runs")
    worker.send(signal.SIGTERM)
    barrier.touch()
    assert worker.wait() == 0
    assert running.get(timeout=WAIT) == ["running", 1]
    # Long before the lease of the first worker would end.
    workers.start(pool="solo", broker_lease=60)
    assert len({each.get(timeout=40) for each in waiting}) == 15
    assert max(ledger.counts()[f"waiting-{number}"] for number in range(15)) == 1
