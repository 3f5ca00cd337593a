"""Fixtures of conformance suites whose driver talks to one of the servers: inherit one of them before the suite."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest

from tests.faults.proxy import Proxy
from tests.services.mariadb import MariadbServer
from tests.services.mongodb import MongodbServer
from tests.services.postgres import PostgresServer
from tests.services.redis import RedisServer
from tq.testing.broker_kit import BrokerKit


class OnRedis:
    """The session's server; one of its own for a test that restarts it."""

    @pytest.fixture
    def server(self, request: pytest.FixtureRequest) -> RedisServer:
        own = "restart_service" in request.fixturenames
        found = request.getfixturevalue("redis_server" if own else "shared_redis")
        server: RedisServer = found(appendonly=True) if own else found
        return server

    @pytest.fixture
    def restart_service(self, server: RedisServer) -> Callable[[], None]:
        return server.restart

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"redis://user:s3cret@127.0.0.1:{free_port}/0"


class OnMongodb:
    """The session's server; one of its own for a test that restarts it."""

    @pytest.fixture
    def server(self, request: pytest.FixtureRequest) -> MongodbServer:
        own = "restart_service" in request.fixturenames
        found = request.getfixturevalue("mongodb_server" if own else "shared_mongodb")
        server: MongodbServer = found() if own else found
        return server

    @pytest.fixture
    def restart_service(self, server: MongodbServer) -> Callable[[], None]:
        return server.restart

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"mongodb://user:s3cret@127.0.0.1:{free_port}/tq?operation_timeout=1"


class OnPostgresql:
    """The session's server. `scheme` is that of the suite's URLs."""

    scheme = "postgresql"

    @pytest.fixture
    def restart_service(self, shared_postgres: PostgresServer) -> Callable[[], None]:
        return shared_postgres.restart

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"{self.scheme}://someone:s3cret@127.0.0.1:{free_port}/tq"


class OnMariadb:
    """The session's server. `scheme` is that of the suite's URLs."""

    scheme = "mysql"

    @pytest.fixture
    def restart_service(self, shared_mariadb: MariadbServer) -> Callable[[], None]:
        return shared_mariadb.restart

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"{self.scheme}://someone:s3cret@127.0.0.1:{free_port}/tq"


class LossyLine:
    """`tq.testing.broker_rules.answers.Line`: a proxy before the server that a URL names."""

    def __init__(self, url: str) -> None:
        found = re.search(r"127\.0\.0\.1:(\d+)", url)
        assert found is not None, url
        self.proxy = Proxy(int(found[1]))
        self.url = url.replace(found[0], f"127.0.0.1:{self.proxy.port}")

    @property
    def lost(self) -> bool:
        return self.proxy.losing is None

    def lose(self, number: int | None) -> None:
        self.proxy.losing = number


class BehindProxy:
    """Of brokers' suites: the fixture `lossy_line`. `proxied` goes to the end of its URL."""

    proxied: ClassVar[str] = ""

    @pytest.fixture
    def lossy_line(self, kit: BrokerKit, broker_url: str) -> Iterator[LossyLine]:
        line = LossyLine(broker_url + self.proxied)
        yield line
        # While there is a line by which drivers say goodbye.
        kit.close()
        line.proxy.close()
