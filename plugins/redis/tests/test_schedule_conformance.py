"""The schedule store under the suite that every store passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.services.redis import RedisServer
from tq.testing import ScheduleStoreConformance
from tq_redis.schedule import RedisScheduleStore


class TestRedisScheduleStore(ScheduleStoreConformance):
    """Redis as schedule store."""

    store_class = RedisScheduleStore

    @pytest.fixture
    def server(self, request: pytest.FixtureRequest) -> RedisServer:
        """The session's server; one of its own for a test that restarts it."""
        own = "restart_service" in request.fixturenames
        found = request.getfixturevalue("redis_server" if own else "shared_redis")
        server: RedisServer = found(appendonly=True) if own else found
        return server

    @pytest.fixture
    def store_url(self, server: RedisServer) -> str:
        return server.url

    @pytest.fixture
    def restart_service(self, server: RedisServer) -> Callable[[], None]:
        return server.restart

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"redis://user:s3cret@127.0.0.1:{free_port}/0"
