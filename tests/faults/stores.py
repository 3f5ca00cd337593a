"""The brokers of the fault tests: an empty store of each kind, and what can be done to its server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.raw import QUEUE, put_raw
from tests.services.mariadb import MariadbServer
from tests.services.mongodb import MongodbServer
from tests.services.moto import MotoServer
from tests.services.postgres import PostgresServer
from tests.services.rabbitmq import RabbitmqServer
from tests.services.redis import RedisServer
from tests.services.server import Server

__all__ = ["DURABLE", "KINDS", "LEASES", "NEW", "QUEUE", "SERVERS", "Servers", "Store", "servers"]

KINDS = ("redis", "sqlite", "postgresql", "mariadb", "rabbitmq", "sqs", "filesystem", "mongodb")
NEW = ("rabbitmq", "sqs", "filesystem", "mongodb")
"""Of which a smaller part is played in the short form."""
SERVERS = ("redis", "postgresql", "mariadb", "rabbitmq", "sqs", "mongodb")
"""Those with a line to cut."""
DURABLE = tuple(kind for kind in SERVERS if kind != "sqs")
"""Those with a server that may be stopped; the emulator of SQS forgets everything then."""
LEASES = tuple(kind for kind in KINDS if kind not in ("rabbitmq", "sqs"))
"""Those whose leases another process can keep and end (`Cap.LEASE`)."""


@dataclass(frozen=True, slots=True)
class Store:
    """One empty store. `server` is None where there is none. `results` is where results go: here, if it can."""

    kind: str
    url: str
    server: Server | None
    results: str

    def behind(self, port: int) -> str:
        """The URL of the same store through another port."""
        return re.sub(r"(127\.0\.0\.1):\d+", rf"\1:{port}", self.url)

    def put_raw(self, raw: bytes) -> None:
        """Put bytes into the queue as a broken program would."""
        put_raw(self.kind, self.url, raw)


class Servers:
    """Servers that run as long as they are needed, one of each kind. Raises ServiceMissing."""

    def __init__(self) -> None:
        self._running: dict[str, Server] = {}
        self._stack = ExitStack()

    def store(self, kind: str, folder: Path) -> Store:
        """An empty store of a kind."""
        server = None if kind in ("sqlite", "filesystem") else self.get(kind)
        url = _place(folder, kind) if server is None else _empty(server)
        # RabbitMQ and SQS keep no results for others to read.
        results = f"sqlite:///{folder}/results.db" if kind in ("rabbitmq", "sqs") else url
        return Store(kind, url, server, results)

    def get(self, kind: str) -> Server:
        """The server of a kind, started where it does not run."""
        if kind not in self._running:
            make: dict[str, Callable[[], Server]] = {
                # What Redis has acknowledged is on its disk.
                "redis": lambda: RedisServer("appendfsync always", appendonly=True),
                "results": lambda: RedisServer("appendfsync always", appendonly=True),
                "postgresql": PostgresServer,
                # Without it, a server that is killed has lost what it acknowledged in its last second.
                "mariadb": lambda: MariadbServer("--innodb-flush-log-at-trx-commit=2"),
                "rabbitmq": RabbitmqServer,
                "sqs": MotoServer,
                "mongodb": MongodbServer,
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


def _place(folder: Path, kind: str) -> str:
    return f"sqlite:///{folder}/tq.db" if kind == "sqlite" else f"filesystem://{folder}/tq"


def _empty(server: Server) -> str:
    """The URL of a place on this server where nothing is."""
    match server:
        case RedisServer():
            server.flush()
            return server.url
        case PostgresServer() | MariadbServer():
            return server.url_of(server.new_database())
        case RabbitmqServer():
            return server.url_of(server.new_vhost())
        case MotoServer():
            server.reset()
            return server.sqs_url
        case MongodbServer():
            # One server, whatever it says of its name: a proxy stands before it.
            return f"{server.new_database()}?directConnection=true"
    raise AssertionError(f"no store on {server.name}")


@contextmanager
def servers() -> Iterator[Servers]:
    """Servers that are stopped at the end."""
    made = Servers()
    try:
        yield made
    finally:
        made.close()
