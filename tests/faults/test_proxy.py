"""The proxy does what it says, or the scenarios prove nothing."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import Proxy

PATIENCE = 5.0
MOMENT = 0.2


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(65536):
                self.request.sendall(data)
        except OSError:
            return


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made = Proxy(server.server_address[1])
        yield made
        made.close()
        server.shutdown()


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE)


def ask(connection: socket.socket, text: bytes = b"hello", *, patience: float = PATIENCE) -> bytes:
    connection.settimeout(patience)
    connection.sendall(text)
    return connection.recv(65536)


def test_it_forwards_both_ways(proxy: Proxy) -> None:
    with connect(proxy) as one, connect(proxy) as two:
        assert ask(one) == b"hello"
        assert ask(two, b"again") == b"again"


def test_latency_is_added_in_each_direction(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        proxy.latency = 0.1
        began = time.monotonic()
        assert ask(connection) == b"hello"
        assert time.monotonic() - began >= 0.2


def test_what_is_refused_is_welcome_again_at_the_same_port(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        proxy.refuse()
        with pytest.raises(ConnectionError):
            ask(connection)
            ask(connection)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.accept()
    with connect(proxy) as connection:
        assert ask(connection) == b"hello"


def test_a_cut_is_a_reset_and_new_connections_work(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert ask(connection) == b"hello"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with connect(proxy) as connection:
        assert ask(connection) == b"hello"


def test_a_cut_may_come_in_the_middle_of_a_message(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        proxy.cut_after(7)
        with pytest.raises(ConnectionResetError):
            while ask(connection, b"twelve bytes"):
                assert proxy.allowance == 0
    proxy.cut_after(None)
    with connect(proxy) as connection:
        assert ask(connection) == b"hello"


def test_one_answer_may_be_lost_after_some_that_pass(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        proxy.losing = 2
        assert [ask(connection) for _ in range(2)] == [b"hello"] * 2
        with pytest.raises(ConnectionResetError):
            ask(connection)
    assert proxy.losing is None
    with connect(proxy) as connection:
        assert ask(connection) == b"hello"


def test_what_hangs_is_delivered_when_it_is_healed(proxy: Proxy) -> None:
    with connect(proxy) as old:
        assert ask(old) == b"hello"
        proxy.hang()
        with pytest.raises(TimeoutError):
            ask(old, b"late", patience=MOMENT)
        with connect(proxy) as new:
            with pytest.raises(TimeoutError):
                ask(new, b"new", patience=MOMENT)
            proxy.heal()
            for connection, text in ((old, b"late"), (new, b"new")):
                connection.settimeout(PATIENCE)
                assert connection.recv(100) == text


def test_a_half_open_connection_stays_silent_for_ever(proxy: Proxy) -> None:
    with connect(proxy) as old:
        assert ask(old) == b"hello"
        proxy.strand()
        for _ in range(2):
            with pytest.raises(TimeoutError):
                ask(old, patience=MOMENT)
        with connect(proxy) as new:
            assert ask(new) == b"hello"


def test_what_is_said_after_an_answer_is_a_round_trip_and_so_is_connecting(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert ask(connection) == b"hello"
        assert proxy.round_trips == 2
        for _ in range(3):
            assert ask(connection) == b"hello"
        assert proxy.round_trips == 5
