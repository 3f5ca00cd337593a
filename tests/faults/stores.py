"""The brokers of the fault tests: an empty store of each kind, and what can be done to its server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
import sqlalchemy as sa

from tests.services.mariadb import MariadbServer
from tests.services.postgres import PostgresServer
from tests.services.redis import RedisServer
from tests.services.server import Server

KINDS = ("redis", "sqlite", "postgresql", "mariadb")
SERVERS = ("redis", "postgresql", "mariadb")
QUEUE = "celery"


@dataclass(frozen=True, slots=True)
class Store:
    """One empty store. `server` is None where there is none (SQLite)."""

    kind: str
    url: str
    server: Server | None

    def behind(self, port: int) -> str:
        """The URL of the same store through another port."""
        return re.sub(r"(127\.0\.0\.1):\d+", rf"\1:{port}", self.url)

    def put_raw(self, raw: bytes) -> None:
        """Put bytes into the queue as a broken program would."""
        if self.kind == "redis":
            with redis.Redis.from_url(self.url) as client:
                client.lpush(QUEUE, raw)
            return
        engine = sa.create_engine(self.url)
        statement = sa.text("INSERT INTO tq_messages (queue, lane, payload) VALUES (:queue, 9, :raw)")
        with engine.begin() as connection:
            connection.execute(statement, {"queue": QUEUE, "raw": raw})
        engine.dispose()


class Servers:
    """Servers that run as long as they are needed, one of each kind. Raises ServiceMissing."""

    def __init__(self) -> None:
        self._running: dict[str, Server] = {}
        self._stack = ExitStack()

    def store(self, kind: str, folder: Path) -> Store:
        """An empty store of a kind."""
        if kind == "sqlite":
            return Store(kind, f"sqlite:///{folder}/tq.db", None)
        server = self.get(kind)
        if isinstance(server, RedisServer):
            server.flush()
            return Store(kind, server.url, server)
        assert isinstance(server, PostgresServer | MariadbServer)
        return Store(kind, server.url_of(server.new_database()), server)

    def get(self, kind: str) -> Server:
        """The server of a kind, started where it does not run."""
        if kind not in self._running:
            make: dict[str, Callable[[], Server]] = {
                # What Redis has acknowledged is on its disk.
                "redis": lambda: RedisServer("appendfsync always", appendonly=True),
                "results": RedisServer,
                "postgresql": PostgresServer,
                # Without it, a server that is killed has lost what it acknowledged in its last second.
                "mariadb": lambda: MariadbServer("--innodb-flush-log-at-trx-commit=2"),
            }
            server = make[kind]()
            self._stack.callback(server.close)
            server.start()
            self._running[kind] = server
        self._running[kind].start()
        return self._running[kind]

    def close(self) -> None:
        """Stop them all."""
        self._stack.close()


@contextmanager
def servers() -> Iterator[Servers]:
    """Servers that are stopped at the end."""
    made = Servers()
    try:
        yield made
    finally:
        made.close()
