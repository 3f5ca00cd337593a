"""A worker on RabbitMQ: what it held is back at once when it dies, killers end, and a server may go and come."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e import tasks
from tests.e2e.conftest import connected
from tests.e2e.test_crashes import pid_of, service_manager
from tests.processes import Ledger, Workers, eventually
from tests.services.rabbitmq import RabbitmqServer
from tq import TQ
from tq.errors import TaskRevoked, TimeLimitExceeded, WorkerLost

WAIT = 60.0
LONG = 600
"""A lease that no test could wait for: the server sees a dead connection without it."""


@pytest.fixture
def url(rabbitmq_url: str) -> str:
    return rabbitmq_url


@pytest.fixture
def app(url: str) -> Iterator[TQ]:
    with connected(url, "rpc://") as ready:
        yield ready


@pytest.fixture
def workers(url: str, ledger: Ledger) -> Iterator[Workers]:
    started = Workers("tests.e2e.tasks", url, "rpc://", ledger)
    yield started
    started.close()


def test_a_worker_that_is_killed_with_all_its_children_loses_nothing(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path, shared_rabbitmq: RabbitmqServer, url: str
) -> None:
    first = workers.start("-c", "2", pool="prefork", broker_lease=LONG)
    barrier = tmp_path / "go"
    result = tasks.waits.delay("crashed", str(barrier))
    others = [tasks.note.delay(f"other-{number}") for number in range(200)]
    pid_of(ledger, "crashed")
    first.kill()
    second = workers.start("-c", "2", pool="prefork", broker_lease=LONG)
    eventually(lambda: len(ledger.starting("start crashed")) >= 2, "the second run", seconds=30)
    barrier.touch()
    assert result.get(timeout=WAIT)[0] == "crashed"
    assert len({other.get(timeout=WAIT) for other in others}) == 200
    # Of what had sent its result but not ended when the first worker died, the repetition may still wait.
    queue = f"/api/queues/{url.rpartition('/')[2]}/celery"
    eventually(
        lambda: shared_rabbitmq.ask("GET", queue).get("messages") == 0, "the end of every message", seconds=60
    )
    second.stop()
    assert ledger.counts()["end crashed"] == 1
    assert app.broker.stats("celery").ready == 0


def test_a_killed_childs_task_runs_again_at_once_and_its_neighbours_run_once(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path
) -> None:
    worker = workers.start("-c", "2", pool="prefork", broker_lease=LONG)
    barrier = tmp_path / "go"
    result = tasks.waits.delay("killed", str(barrier))
    first = pid_of(ledger, "killed")
    neighbours = [tasks.note.delay(f"neighbour-{number}") for number in range(50)]
    os.kill(first, signal.SIGKILL)
    eventually(lambda: len(ledger.starting("start killed")) == 2, "the second run", seconds=20)
    barrier.touch()
    assert result.get(timeout=WAIT)[0] == "killed"
    assert len({neighbour.get(timeout=WAIT) for neighbour in neighbours}) == 50
    worker.stop()
    assert all(ledger.counts()[f"neighbour-{number}"] == 1 for number in range(50))


@pytest.mark.parametrize("pool", ["solo", "prefork"])
def test_a_task_that_kills_its_process_ends_as_a_dead_letter(
    app: TQ, workers: Workers, ledger: Ledger, pool: str
) -> None:
    killer = tasks.dies.delay("killer")
    neighbours = [tasks.note.delay(f"neighbour-{number}") for number in range(20)]
    more = () if pool == "solo" else ("-c", "2")
    with service_manager(lambda: workers.start(*more, pool=pool, ready=False)):
        with pytest.raises(WorkerLost):
            killer.get(timeout=WAIT)
        assert len({neighbour.get(timeout=WAIT) for neighbour in neighbours}) == 20
    # The result is stored before the message is moved.
    (letter,) = eventually(lambda: app.broker.dead_letters("celery"), "a dead letter")
    assert getattr(letter.message, "headers", {})["id"] == killer.id
    assert "died" in letter.reason
    # Where nobody is left to tell of it, the first death is not counted.
    assert ledger.counts()["dies killer"] == (4 if pool == "solo" else 3)


@pytest.mark.parametrize("how", ["time limit", "revoked"])
def test_a_task_that_is_ended_by_force_does_not_run_again(
    app: TQ, workers: Workers, ledger: Ledger, tmp_path: Path, how: str
) -> None:
    worker = workers.start("-c", "2", pool="prefork", broker_lease=LONG)
    limit = 1 if how == "time limit" else None
    result = tasks.waits.apply_async(["ended", str(tmp_path / "never")], time_limit=limit)
    pid_of(ledger, "ended")
    if how == "revoked":
        result.revoke(terminate=True)
    with pytest.raises(TimeLimitExceeded if how == "time limit" else TaskRevoked):
        result.get(timeout=WAIT)
    # Who gets the message next settles it; these come after it.
    assert len({tasks.note.delay(f"after-{number}").get(timeout=WAIT) for number in range(20)}) == 20
    worker.stop()
    assert len(ledger.starting("start ended")) == 1
    assert app.broker.stats("celery").ready == 0


def test_messages_survive_a_killed_server_and_workers_come_back_by_themselves(
    rabbitmq_server: Callable[..., RabbitmqServer], ledger: Ledger
) -> None:
    server = rabbitmq_server()
    workers = Workers("tests.e2e.tasks", server.url, "rpc://", ledger)
    try:
        with connected(server.url, "rpc://"):
            worker = workers.start("-c", "2", pool="prefork")
            tasks.note.delay("before")
            eventually(lambda: ledger.has("before"), "the first task")
            for number in range(20):
                tasks.note.apply_async([f"later-{number}"], countdown=4)
            for number in range(200):
                tasks.note.delay(f"task-{number}")
            server.kill()
            server.start()
            eventually(lambda: len(ledger.starting("task-")) >= 200, "all tasks", seconds=WAIT)
            eventually(lambda: len(ledger.starting("later-")) >= 20, "all delayed tasks", seconds=WAIT)
            worker.stop()
        counts = ledger.counts()
        assert {f"task-{number}" for number in range(200)} <= counts.keys()
        assert all(counts[f"later-{number}"] == 1 for number in range(20))
    finally:
        workers.close()
