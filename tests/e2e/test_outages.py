"""Servers that are not there: callers hear of it in time, workers wait, and nothing is lost or run twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e import tasks
from tests.e2e.conftest import connected
from tests.processes import Ledger, Workers, eventually
from tests.services.redis import RedisServer
from tq.errors import BrokerUnavailable

WAIT = 60.0
DEADLINE = 1.5
NewServer = Callable[..., RedisServer]


def test_delay_without_a_server_raises_in_time_and_says_what_to_do(free_port: int) -> None:
    url = f"redis://tq:secret@127.0.0.1:{free_port}/0"
    with connected(url, url, publish_timeout=DEADLINE):
        began = time.monotonic()
        with pytest.raises(BrokerUnavailable) as caught:
            tasks.add.delay(1, 2)
        assert time.monotonic() - began < 2 * DEADLINE
    text = str(caught.value)
    assert "secret" not in text
    assert f"127.0.0.1:{free_port}" in text
    assert "refused" in text.lower()
    assert "start" in text.lower() or "check" in text.lower()


def test_delay_raises_in_time_when_the_server_does_not_answer(redis_server: NewServer) -> None:
    server = redis_server()
    with connected(server.url, server.url, publish_timeout=DEADLINE):
        server.freeze()
        try:
            began = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                tasks.add.delay(1, 2)
            assert time.monotonic() - began < 2 * DEADLINE
        finally:
            server.thaw()


@pytest.mark.parametrize("pool", ["solo", "prefork", "threads"])
def test_a_worker_without_a_server_says_so_and_connects_when_it_comes(
    redis_server: NewServer, ledger: Ledger, pool: str
) -> None:
    server = redis_server()
    server.stop()
    workers = Workers("tests.e2e.tasks", server.url, server.url, ledger)
    try:
        worker = workers.start(*(() if pool == "solo" else ("-c", "1")), pool=pool, ready=False)
        worker.wait_for("trying again")
        assert f"127.0.0.1:{server.port}" in worker.output()
        server.start()
        with connected(server.url, server.url):
            assert tasks.add.delay(1, 2).get(timeout=WAIT) == 3
        worker.stop()
    finally:
        workers.close()


@pytest.mark.parametrize("pool", ["solo", "prefork"])
def test_an_outcome_that_cannot_be_stored_is_stored_later_and_the_task_runs_once(
    redis_server: NewServer, redis_url: str, ledger: Ledger, tmp_path: Path, pool: str
) -> None:
    results = redis_server()
    workers = Workers("tests.e2e.tasks", redis_url, results.url, ledger)
    try:
        worker = workers.start(*(() if pool == "solo" else ("-c", "1")), pool=pool)
        with connected(redis_url, results.url):
            barrier = tmp_path / "go"
            result = tasks.waits.delay("unstored", str(barrier))
            eventually(lambda: ledger.starting("start unstored"), "the task")
            results.stop()
            barrier.touch()
            worker.wait_for("trying again")
            results.start()
            assert result.get(timeout=WAIT) == ["unstored", 1]
        worker.stop()
        assert ledger.counts()["end unstored"] == 1
    finally:
        workers.close()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_stream_of_tasks_survives_a_restart_of_the_broker(
    redis_server: NewServer, ledger: Ledger, end: str
) -> None:
    # What the server has acknowledged must be on its disk, or a kill may lose it there.
    server = redis_server("appendfsync always", appendonly=True)
    workers = Workers("tests.e2e.tasks", server.url, server.url, ledger)
    try:
        worker = workers.start("-c", "2", pool="prefork")
        with connected(server.url, server.url):
            accepted: list[str] = []
            refused: list[str] = []

            def send() -> None:
                while len(accepted) < 500:
                    line = f"task-{len(accepted)}-{len(refused)}"
                    try:
                        # A second try of a publish in doubt may double it; here only workers could.
                        tasks.note.apply_async([line], retry=False)
                        accepted.append(line)
                    except BrokerUnavailable:
                        refused.append(line)
                        time.sleep(0.05)

            sender = threading.Thread(target=send)
            sender.start()
            eventually(lambda: len(ledger.lines()) > 100, "the stream")
            getattr(server, end)()
            server.start()
            sender.join(WAIT)
            assert not sender.is_alive()
            eventually(
                lambda: set(accepted) <= set(ledger.lines()),
                lambda: f"lost: {sorted(set(accepted) - set(ledger.lines()))[:20]}",
            )
            assert refused
            assert tasks.add.delay(1, 2).get(timeout=WAIT) == 3
        worker.stop()
        if end == "stop":
            # A batch in the air when the connection broke is asked about, not run again.
            assert max(ledger.counts().values()) == 1
    finally:
        workers.close()
