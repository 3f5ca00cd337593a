"""`tq top` on a live system: a real terminal, real workers, and a broker that is restarted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.conftest import connected
from tests.e2e.tasks import add, raises_moody, slow
from tests.e2e.terminal import Terminal
from tests.processes import Ledger, Workers, eventually
from tests.services.redis import RedisServer

NAME = "tests.e2e.tasks"


@pytest.fixture
def server(redis_server: Callable[..., RedisServer]) -> RedisServer:
    """A server that may be stopped."""
    return redis_server()


@pytest.fixture
def workers(server: RedisServer, ledger: Ledger) -> Iterator[Workers]:
    """Starts workers on it; the client of their tasks is connected as well."""
    client = connected(server.url, server.url)
    started = Workers(NAME, server.url, server.url, ledger)
    yield started
    started.close()
    client.close()


def test_a_person_sees_workers_and_tasks_switches_events_on_and_quits(
    workers: Workers, server: RedisServer
) -> None:
    workers.start("-c", "2", "-n", "w1@here", pool="threads")
    with Terminal("-b", server.url, "top", "-i", "0.5") as terminal:
        terminal.wait_for(r"w1@here +online +threads +0 +2")
        terminal.wait_for("events of tasks came from 0 of 1 workers")
        terminal.press("e")
        terminal.wait_for("workers were asked to send events")

        def fed() -> bool:
            terminal.forget()
            add.delay(1, 2)
            terminal.wait_for(r"tests\.e2e\.tasks\.add +[\d.]+ ")
            return "w1@here" in terminal.text and "yes" in terminal.text

        eventually(fed, "events come from the worker")
        slow.delay("held", 600)
        terminal.wait_for(r"tasks\.slow +[0-9a-f-]{36} +w1@here")
        terminal.press("s")
        terminal.wait_for(r"now: rate")
        terminal.press("p")
        terminal.wait_for("p go on")
        terminal.press("q")
        assert terminal.wait() == 0
        assert "disable_events" in terminal.text


def test_it_goes_on_when_the_broker_is_back(workers: Workers, server: RedisServer) -> None:
    workers.start("-E", "-n", "w1@here", pool="threads")
    with Terminal("-b", server.url, "top", "-i", "0.5") as terminal:
        terminal.wait_for(r"w1@here +online")
        server.kill()
        terminal.wait_for("reconnecting: ")
        server.start()
        terminal.forget()
        terminal.wait_for(r"(?s)tasks/s(?!.*reconnecting).*w1@here +online")
        terminal.press("q")
        assert terminal.wait() == 0


def test_pictures_are_lines_of_json_for_programs(workers: Workers, server: RedisServer) -> None:
    workers.start("-E", "-c", "2", "-n", "w1@here", pool="prefork")
    command = [sys.executable, "-m", "tq", "-b", server.url, "top", "--json", "-i", "0.2"]

    def shots(*more: str) -> list[dict[str, Any]]:
        add.delay(1, 2)
        raises_moody.delay()
        ended = subprocess.run([*command, *more], capture_output=True, text=True, timeout=120, check=True)
        assert ended.stderr == ""
        return [json.loads(line) for line in ended.stdout.splitlines()]

    assert len(shots("--count", "3")) == 3
    (shot,) = eventually(
        lambda: [s for s in shots() if s["workers"] and s["workers"][0]["processed"] >= 4], "it counts"
    )
    (worker,) = shot["workers"]
    assert (worker["name"], worker["presence"], worker["pool"]) == ("w1@here", "online", "prefork")
    assert [queue["name"] for queue in shot["queues"]] == ["celery"]
    assert shot["trouble"] is None
