"""The result backend under the suite that every plugin passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.services.redis import RedisServer
from tq.testing import ResultBackendConformance
from tq_redis import RedisBackend


class TestRedisBackend(ResultBackendConformance):
    """Redis as result backend."""

    backend_class = RedisBackend

    @pytest.fixture
    def server(self, request: pytest.FixtureRequest) -> RedisServer:
        """The session's server; one of its own for a test that restarts it."""
        if "restart_service" in request.fixturenames:
            return request.getfixturevalue("redis_server")(appendonly=True)
        return request.getfixturevalue("shared_redis")

    @pytest.fixture
    def backend_url(self, server: RedisServer) -> str:
        return server.url

    @pytest.fixture
    def restart_service(self, server: RedisServer) -> Callable[[], None]:
        return server.restart

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"redis://user:s3cret@127.0.0.1:{free_port}/0"
