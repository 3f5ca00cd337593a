"""What the tests of this plugin share."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
import redis

from tests.services.kits import NewKit, kits_of
from tests.services.redis import RedisServer
from tq.testing.broker_kit import BrokerKit
from tq_redis import RedisBroker


@pytest.fixture
def new_kit() -> Iterator[NewKit]:
    """Make kits: `new_kit(url, option=value, ...)`."""
    yield from kits_of(RedisBroker, 1.0)


@pytest.fixture
def kit(redis_url: str, new_kit: NewKit) -> BrokerKit:
    """Brokers and consumers on the session's server, which is empty."""
    return new_kit(redis_url)


@pytest.fixture
def raw(redis_url: str) -> Iterator[redis.Redis]:
    """The session's server, as any other program sees it."""
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


class Proxy:
    """A TCP proxy that can lose answers: requests arrive at the server, and nobody learns what they did."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self._open: list[socket.socket] = []
        self._losing = threading.Event()
        self.silent = threading.Event()
        """Set it to pass nothing in either direction, with connections open."""
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_the_next_answer(self) -> None:
        """Cut the connection on which the server answers next."""
        self._losing.set()

    def cut(self) -> None:
        """Cut all connections."""
        while self._open:
            end(self._open.pop())

    def close(self) -> None:
        """Stop listening, and cut."""
        end(self._listener)
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self._open += [client, server]
            threading.Thread(target=self._pump, args=[client, server, False], daemon=True).start()
            threading.Thread(target=self._pump, args=[server, client, True], daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65536):
                if answers and self._losing.is_set():
                    self._losing.clear()
                    break
                if not self.silent.is_set():
                    target.sendall(data)
        except OSError:
            return
        finally:
            end(source)
            end(target)


def end(connection: socket.socket) -> None:
    """Close for both sides, also under a thread that reads."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@pytest.fixture
def proxy(redis_url: str, shared_redis: RedisServer) -> Iterator[Proxy]:
    """A proxy before the session's server, which is empty."""
    made = Proxy(shared_redis.port)
    yield made
    made.close()
