"""The pytest fixtures that give tests their servers.

One server of a kind runs for a whole session (for each worker of pytest-xdist); a test that stops,
kills or configures a server makes its own through a factory such as `redis_server`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

from tests.services import ports
from tests.services.catalog import ServiceMissing
from tests.services.celery import CeleryMissing
from tests.services.celery import celery_python as find_celery
from tests.services.mariadb import MariadbServer
from tests.services.memcached import MemcachedServer
from tests.services.mongodb import MongodbServer
from tests.services.moto import MotoServer
from tests.services.node import NodeMissing, node_packages
from tests.services.postgres import PostgresServer
from tests.services.rabbitmq import RabbitmqServer
from tests.services.redis import RedisServer
from tests.services.server import Server

AnyServer = TypeVar("AnyServer", bound=Server)


def unavailable(reason: str) -> NoReturn:
    """Skip the test and say why; in CI (`CI=true`) fail it, because there nothing may go untested."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"not tested, and CI=true forbids that: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on; for several, call `tests.services.free_port`."""
    return ports.free_port()


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """The session's Redis server; use `redis_url` unless the server itself is asked something."""
    with _started(RedisServer) as server:
        yield server


@pytest.fixture
def redis_url(shared_redis: RedisServer) -> str:
    """The URL of the session's Redis server, emptied for this test."""
    shared_redis.flush()
    return shared_redis.url


@pytest.fixture
def redis_server() -> Iterator[Callable[..., RedisServer]]:
    """Make started Redis servers for this test: `redis_server("maxmemory 20mb", appendonly=True)`.

    Each has `.url .port .start() .stop() .kill() .restart() .freeze() .thaw() .output()`.
    """
    yield from _factory(RedisServer)


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[PostgresServer]:
    """The session's PostgreSQL server; use `postgres_url` for a database of your own."""
    with _started(PostgresServer) as server:
        yield server


@pytest.fixture
def postgres_url(shared_postgres: PostgresServer) -> Iterator[str]:
    """The SQLAlchemy URL of an empty PostgreSQL database for this test."""
    name = shared_postgres.new_database()
    yield shared_postgres.url_of(name)
    shared_postgres.drop_database(name)


@pytest.fixture
def postgres_server() -> Iterator[Callable[..., PostgresServer]]:
    """Make started PostgreSQL servers for this test: `postgres_server("max_connections = 5")`."""
    yield from _factory(PostgresServer)


@pytest.fixture(scope="session")
def shared_mariadb() -> Iterator[MariadbServer]:
    """The session's MariaDB server; use `mariadb_url` for a database of your own."""
    with _started(MariadbServer) as server:
        yield server


@pytest.fixture
def mariadb_url(shared_mariadb: MariadbServer) -> str:
    """The SQLAlchemy URL of an empty MariaDB database for this test.

    It is not dropped afterwards: DROP DATABASE would wait for a connection that a failed test left open.
    """
    return shared_mariadb.url_of(shared_mariadb.new_database())


@pytest.fixture
def mariadb_server() -> Iterator[Callable[..., MariadbServer]]:
    """Make started MariaDB servers for this test: `mariadb_server("--max-connections=5")`."""
    yield from _factory(MariadbServer)


@pytest.fixture(scope="session")
def shared_rabbitmq() -> Iterator[RabbitmqServer]:
    """The session's RabbitMQ node; use `rabbitmq_url` for a virtual host of your own."""
    with _started(RabbitmqServer) as server:
        yield server


@pytest.fixture
def rabbitmq_url(shared_rabbitmq: RabbitmqServer) -> Iterator[str]:
    """The URL of an empty virtual host of the session's RabbitMQ for this test."""
    name = shared_rabbitmq.new_vhost()
    yield shared_rabbitmq.url_of(name)
    shared_rabbitmq.drop_vhost(name)


@pytest.fixture
def rabbitmq_server() -> Iterator[Callable[..., RabbitmqServer]]:
    """Make started RabbitMQ nodes for this test: `rabbitmq_server("consumer_timeout = 5000")`."""
    yield from _factory(RabbitmqServer)


@pytest.fixture(scope="session")
def shared_memcached() -> Iterator[MemcachedServer]:
    """The session's memcached server; use `memcached_url` unless the server itself is asked something."""
    with _started(MemcachedServer) as server:
        yield server


@pytest.fixture
def memcached_url(shared_memcached: MemcachedServer) -> str:
    """The URL of the session's memcached server, emptied for this test."""
    shared_memcached.flush()
    return shared_memcached.url


@pytest.fixture
def memcached_server() -> Iterator[Callable[..., MemcachedServer]]:
    """Make started memcached servers for this test: `memcached_server("-I", "2m")`."""
    yield from _factory(MemcachedServer)


@pytest.fixture(scope="session")
def shared_moto() -> Iterator[MotoServer]:
    """The session's emulator of SQS and S3; use `sqs_url` unless the server itself is asked something."""
    with _started(MotoServer) as server:
        yield server


@pytest.fixture
def sqs_url(shared_moto: MotoServer) -> str:
    """The broker URL of the session's emulator, emptied for this test."""
    shared_moto.reset()
    return shared_moto.sqs_url


@pytest.fixture
def moto_server() -> Iterator[Callable[..., MotoServer]]:
    """Make started emulators for this test, to be stopped and killed."""
    yield from _factory(MotoServer)


@pytest.fixture(scope="session")
def shared_mongodb() -> Iterator[MongodbServer]:
    """The session's emulator of MongoDB; use `mongodb_url` for a database of your own."""
    with _started(MongodbServer) as server:
        yield server


@pytest.fixture
def mongodb_url(shared_mongodb: MongodbServer) -> str:
    """The URL of an empty MongoDB database for this test."""
    return shared_mongodb.new_database()


@pytest.fixture
def mongodb_server() -> Iterator[Callable[..., MongodbServer]]:
    """Make started emulators of MongoDB for this test: `mongodb_server("--auth")`."""
    yield from _factory(MongodbServer)


@pytest.fixture(scope="session")
def celery_python(pytestconfig: pytest.Config) -> Path:
    """A Python with Celery 5.7 and its Redis client, and without tq; built once, below .nox."""
    try:
        return find_celery(pytestconfig.rootpath / ".nox")
    except CeleryMissing as missing:
        unavailable(str(missing))


@pytest.fixture(scope="session")
def node_clients(pytestconfig: pytest.Config) -> tuple[Path, Path]:
    """`node`, and the folder with the npm packages that speak Celery's protocol; installed once, below .nox."""
    try:
        return node_packages(pytestconfig.rootpath / "tests/interop/node", pytestconfig.rootpath / ".nox")
    except NodeMissing as missing:
        unavailable(str(missing))


def _started(make: Callable[[], AnyServer]) -> AnyServer:
    try:
        server = make()
    except ServiceMissing as missing:
        unavailable(str(missing))
    try:
        server.start()
    except BaseException:
        server.close()
        raise
    return server


def _factory(kind: Callable[..., AnyServer]) -> Iterator[Callable[..., AnyServer]]:
    with ExitStack() as servers:

        def make(*lines: str, **options: bool) -> AnyServer:
            server = _started(lambda: kind(*lines, **options))
            servers.callback(server.close)
            return server

        yield make
