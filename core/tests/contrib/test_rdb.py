"""The debugger: who may connect, what a session can do, and that the task goes on after it."""

from __future__ import annotations

import socket
import threading
from bdb import BdbQuit
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tq.contrib import rdb
from tq.errors import ImproperlyConfigured

LIMIT = 30


class Body:
    """A function that stops in the debugger, on a thread of its own."""

    def __init__(self, debugger: Callable[[], rdb.Rdb]) -> None:
        self.debugger = debugger
        self.value: Any = None
        self.raised: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.value = self._body()
        except BaseException as exc:  # noqa: BLE001 - handed to the test
            self.raised = exc

    def _body(self) -> str:
        answer = "before"
        self.debugger().set_trace()
        answer += ", after"
        return answer


class Telnet:
    """What somebody types."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), LIMIT)
        self.seen = ""

    def until(self, text: str) -> str:
        while text not in self.seen:
            part = self.socket.recv(4096)
            assert part, f"the session ended before {text!r}: {self.seen}"
            self.seen += part.decode()
        seen, _, self.seen = self.seen.partition(text)
        return seen

    def send(self, line: str) -> None:
        self.socket.sendall(f"{line}\r\n".encode())


@pytest.fixture
def waiting(caplog: pytest.LogCaptureFixture, free_port: int) -> Iterator[Callable[..., tuple[Body, int]]]:
    bodies: list[Body] = []

    def start(**options: Any) -> tuple[Body, int]:
        listening = threading.Event()
        port = 0

        class Told(rdb.Rdb):
            def _accepted(self) -> Any:
                nonlocal port
                port = self.port
                listening.set()
                return super()._accepted()

        body = Body(lambda: Told(port=free_port, **options))
        bodies.append(body)
        body.thread.start()
        assert listening.wait(LIMIT), body.raised
        return body, port

    yield start
    for body in bodies:
        body.thread.join(LIMIT)
        assert not body.thread.is_alive()


def test_a_session_sees_the_frame_and_the_task_goes_on(waiting: Callable[..., tuple[Body, int]]) -> None:
    body, port = waiting()
    telnet = Telnet(port)
    telnet.until("(rdb ")
    telnet.send("p answer")
    assert "'before'" in telnet.until("(rdb ")
    telnet.send("!answer = 'changed'")
    telnet.until("(rdb ")
    telnet.send("c")
    body.thread.join(LIMIT)
    assert body.value == "changed, after"


def test_quitting_makes_the_task_fail(waiting: Callable[..., tuple[Body, int]]) -> None:
    body, port = waiting()
    telnet = Telnet(port)
    telnet.until("(rdb ")
    telnet.send("q")
    body.thread.join(LIMIT)
    assert isinstance(body.raised, BdbQuit)


def test_who_hangs_up_lets_the_task_go_on(waiting: Callable[..., tuple[Body, int]]) -> None:
    body, port = waiting()
    telnet = Telnet(port)
    telnet.until("(rdb ")
    telnet.socket.close()
    body.thread.join(LIMIT)
    assert body.value == "before, after"


def test_only_who_knows_the_password_gets_in(waiting: Callable[..., tuple[Body, int]]) -> None:
    body, port = waiting(password="open sesame")
    stranger = Telnet(port)
    for _ in range(rdb.TRIES):
        stranger.until("password: ")
        stranger.send("guess")
    assert stranger.socket.recv(1) == b""
    telnet = Telnet(port)
    telnet.until("password: ")
    telnet.send("open sesame")
    telnet.until("(rdb ")
    telnet.send("c")
    body.thread.join(LIMIT)
    assert body.value == "before, after"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "debug.example.com", ""])
def test_it_listens_nowhere_but_at_the_loopback_without_a_password(host: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="TQ_RDB_PASSWORD"):
        rdb.Rdb(host=host)


def test_two_processes_get_two_ports(waiting: Callable[..., tuple[Body, int]], free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        body, port = waiting()
        assert port > free_port
        telnet = Telnet(port)
        telnet.until("(rdb ")
        telnet.send("c")
        body.thread.join(LIMIT)


def test_the_environment_says_where_and_celerys_names_count_where_tqs_are_not_there() -> None:
    celery = {"CELERY_RDB_HOST": "127.0.0.2", "CELERY_RDB_PORT": "7000"}
    assert rdb.address_of({}) == {"host": "127.0.0.1", "port": 6899, "password": None}
    assert rdb.address_of(celery)["port"] == 7000
    assert rdb.address_of({**celery, "TQ_RDB_PORT": "7100", "TQ_RDB_PASSWORD": "x"}) == {
        "host": "127.0.0.2",
        "port": 7100,
        "password": "x",
    }
    with pytest.raises(ImproperlyConfigured, match="TQ_RDB_PORT"):
        rdb.address_of({"TQ_RDB_PORT": "many"})
