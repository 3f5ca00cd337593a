"""Real workers with greenlets: patched in time, whichever way the pool was named."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pools import green_tasks as tasks
from tests.processes import Ledger, Program, Workers, eventually
from tests.processes.worker import READY
from tests.services.redis import RedisServer
from tq.client.result import AsyncResult
from tq.errors import TaskRevoked

WAIT = 60.0
MODULE = "tests.pools.green_tasks"


@pytest.fixture(scope="module", params=["gevent", "eventlet"])
def pool(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('store')}/tq.db"
    server: RedisServer = request.getfixturevalue("shared_redis")
    server.flush()
    return server.url


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    return Ledger(tmp_path_factory.mktemp("ledger") / "ledger.txt")


@pytest.fixture(scope="module")
def worker(pool: str, url: str, ledger: Ledger) -> Iterator[Program]:
    """One for all tests of a pool and a store; at the end it has to stop cleanly."""
    workers = Workers(MODULE, url, url, ledger)
    try:
        program = workers.start("-c", "100", pool=pool)
        tasks.app.close()
        tasks.app.conf.update(broker_url=url, result_backend=url)
        yield program
        program.stop()
        assert "MonkeyPatchWarning" not in program.output()
    finally:
        workers.close()


@pytest.mark.usefixtures("worker")
def test_a_hundred_tasks_sleep_at_the_same_time() -> None:
    results = [tasks.sleep_until_so_many.delay(100) for _ in range(100)]
    assert {result.get(timeout=WAIT) for result in results} == {100}


@pytest.mark.usefixtures("worker")
def test_coroutines_that_come_together_have_a_loop_one_after_the_other() -> None:
    results = [tasks.nap.delay() for _ in range(10)]
    assert {result.get(timeout=WAIT) for result in results} == {"rested"}


@pytest.mark.usefixtures("worker")
def test_a_hundred_tasks_wait_for_a_server_at_the_same_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        everybody: list[socket.socket] = []

        def answer_all_when_all_are_here() -> None:
            while len(everybody) < 100:
                everybody.append(server.accept()[0])
            for connection in everybody:
                connection.sendall(b"welcome")
                connection.close()

        thread = threading.Thread(target=answer_all_when_all_are_here, daemon=True)
        thread.start()
        results = [tasks.ask.delay(server.getsockname()[1]) for _ in range(100)]
        assert {result.get(timeout=WAIT) for result in results} == {"welcome"}
        thread.join(WAIT)


@pytest.mark.usefixtures("worker")
def test_a_soft_limit_is_kept_and_a_revoked_task_is_ended(ledger: Ledger) -> None:
    assert tasks.limited.delay().get(timeout=WAIT) == "in time"
    before = len(ledger.lines())
    result = tasks.endless.delay()
    eventually(lambda: ledger.lines()[before:] == ["began"], "the task")
    result.revoke(terminate=True)
    with pytest.raises(TaskRevoked):
        result.get(timeout=WAIT)
    eventually(lambda: ledger.lines()[before:] == ["began", "ended"], "the end of the body")


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/tq.db"


@pytest.mark.parametrize("how", ["option", "environment", "file"])
def test_the_library_is_patched_before_the_app_is_imported(
    pool: str, how: str, store: str, tmp_path: Path
) -> None:
    settings = tmp_path / "tq.toml"
    settings.write_text(f'broker_url = "{store}"\nresult_backend = "{store}"\n')
    environment, options = {"TQ_CONFIG": str(settings)}, ["-l", "INFO", "-c", "2"]
    if how == "option":
        options += ["-P", pool]
    elif how == "environment":
        environment["TQ_WORKER_POOL"] = pool
    else:
        with settings.open("a") as file:
            file.write(f'worker_pool = "{pool}"\n')
    program = Program([sys.executable, "-m", "tq", "-A", MODULE, "worker", *options], environment)
    try:
        program.wait_for(READY)
        tasks.app.close()
        tasks.app.conf.update(broker_url=store, result_backend=store)
        result: AsyncResult[list[str]] = tasks.patched.delay()
        assert {name.partition(".")[0] for name in result.get(timeout=WAIT)} == {pool}
        program.stop()
    finally:
        program.close()


def test_a_cold_stop_gives_back_what_runs(pool: str, store: str, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.txt")
    workers = Workers(MODULE, store, store, ledger)
    try:
        program = workers.start("-c", "2", pool=pool)
        tasks.app.close()
        tasks.app.conf.update(broker_url=store, result_backend=store)
        tasks.endless.delay()
        eventually(lambda: ledger.lines() == ["began"], "the task")
        program.stop(signal.SIGQUIT)
        assert ledger.lines() == ["began", "ended"]
        assert tasks.app.broker.stats("celery").ready == 1
    finally:
        workers.close()
