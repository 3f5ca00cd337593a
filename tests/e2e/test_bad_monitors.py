"""Monitors that stop reading, and senders of nonsense, on a real server: tasks run, and nothing grows without bound."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.conftest import connected
from tests.e2e.tasks import add
from tests.processes import Ledger, Workers, eventually
from tests.services.redis import RedisServer
from tq import TQ
from tq.records import Message, Notice
from tq.wire.json import JsonSerializer
from tq.wire.pidbox import REPLIES, REQUESTS, Control, request_notice

LIMIT = 512 * 1024
"""Bytes that the server keeps for a subscriber that does not read."""
dumps = JsonSerializer().dumps


@pytest.fixture
def server(redis_server: Callable[..., RedisServer]) -> RedisServer:
    """A server that keeps little for who does not read."""
    return redis_server(f"client-output-buffer-limit pubsub {LIMIT} {LIMIT} 0")


@pytest.fixture
def client(server: RedisServer) -> Iterator[TQ]:
    """The client's side."""
    with connected(server.url, server.url) as ready:
        yield ready


@pytest.fixture
def workers(server: RedisServer, client: TQ, ledger: Ledger) -> Iterator[Workers]:
    """Starts workers."""
    started = Workers("tests.e2e.tasks", server.url, server.url, ledger)
    yield started
    started.close()


def subscribers(server: RedisServer) -> dict[str, int]:
    """Bytes that wait on the server for each client that listens to patterns, by address."""
    lines = server.ask("CLIENT", "LIST", "TYPE", "PUBSUB").splitlines()
    found = (re.search(r"addr=(\S+) .*psub=[1-9]\d* .*omem=(\d+)", line) for line in lines)
    return {each[1]: int(each[2]) for each in found if each}


def test_a_monitor_that_stops_reading_is_dropped_by_the_server_and_tasks_run_on(
    workers: Workers, server: RedisServer, client: TQ
) -> None:
    workers.start("-E", "-c", "2", "-n", "w1@here", pool="threads")
    with socket.create_connection(("127.0.0.1", server.port)) as monitor:
        monitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        monitor.sendall(b"PSUBSCRIBE /0.celeryev/*\r\n")
        mine = "{}:{}".format(*monitor.getsockname())
        eventually(lambda: mine in subscribers(server), "the monitor listens")
        done, most = 0, 0

        def dropped() -> bool:
            nonlocal done, most
            results = [add.delay(number, 1) for number in range(20)]
            with client.events.default_dispatcher() as dispatcher:
                for _ in range(500):
                    dispatcher.send("task-progress", uuid="1", note="x" * 2000)
            assert [result.get(timeout=60) for result in results] == list(range(1, 21))
            done += len(results)
            kept = subscribers(server)
            most = max(most, *kept.values(), 0)
            return mine not in kept

        eventually(dropped, lambda: f"the server drops it; {done} tasks ran, it kept {most} bytes", every=0.0)
    assert most <= LIMIT
    assert add.delay(2, 3).get(timeout=60) == 5


def test_nonsense_to_the_mailbox_disturbs_no_task_and_is_logged_once(workers: Workers, client: TQ) -> None:
    worker = workers.start("-E", "-c", "2", "-n", "w1@here", pool="threads")
    bodies = [b"{", b"[]", b"null", b'{"method": 7}', b'{"method": "ping", "arguments": []}', b"\xff" * 100]
    broken = [Notice(REQUESTS, Message({}, {}, body)) for body in bodies]
    unknown = [request_notice(Control(f"no_such_{number}", {}), 1, 0.0) for number in range(100)]
    huge = Notice(REQUESTS, Message({}, {}, dumps({"method": "ping", "arguments": {"x": "y" * 5_000_000}})))
    forged = [Notice(REPLIES, Message({"ticket": "x"}, {}, dumps({"evil@x": {"ok": "pong"}})), "nobody")]
    results = []
    for number in range(30):
        results.append(add.delay(number, 1))
        refused = client.broker.announce([*broken, *unknown, *forged], timeout=30)
        assert refused == [None] * len(refused)
    assert client.broker.announce([huge], timeout=30) == [None]
    assert [result.get(timeout=60) for result in results] == list(range(1, 31))
    # It answers as before, and only itself.
    eventually(lambda: client.control.ping(timeout=2) == [{"w1@here": {"ok": "pong"}}], "it answers")
    said = worker.output()
    assert said.count("a request of remote control is ignored") == 1
    assert said.count("no command of remote control is called") == 1
    assert "Traceback" not in said
