"""The broker under the suite that every plugin passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from tests.services.redis import RedisServer
from tq.testing import BrokerConformance
from tq_redis import RedisBroker


class TestRedisBroker(BrokerConformance):
    """Redis as broker."""

    broker_class = RedisBroker

    @pytest.fixture
    def server(self, request: pytest.FixtureRequest) -> RedisServer:
        """The session's server; one of its own for a test that restarts it."""
        own = "restart_service" in request.fixturenames
        found = request.getfixturevalue("redis_server" if own else "shared_redis")
        server: RedisServer = found(appendonly=True) if own else found
        return server

    @pytest.fixture
    def broker_url(self, server: RedisServer) -> str:
        return server.url

    @pytest.fixture
    def restart_service(self, server: RedisServer) -> Callable[[], None]:
        return server.restart

    @pytest.fixture
    def put_raw(self, server: RedisServer) -> Callable[[str, bytes], None]:
        def put(queue: str, raw: bytes) -> None:
            with redis.Redis.from_url(server.url) as client:
                client.lpush(queue, raw)

        return put

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"redis://user:s3cret@127.0.0.1:{free_port}/0"

    @pytest.fixture
    def wrong_password_url(self, redis_server: Callable[..., RedisServer]) -> str:
        return redis_server("requirepass right").url.replace("//", "//:s3cret@")
