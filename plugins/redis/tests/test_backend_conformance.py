"""The result backend under the suite that every plugin passes."""

from __future__ import annotations

import pytest

from tests.services.redis import RedisServer
from tests.services.served import OnRedis
from tq.testing import ResultBackendConformance
from tq_redis import RedisBackend


class TestRedisBackend(OnRedis, ResultBackendConformance):
    """Redis as result backend."""

    backend_class = RedisBackend

    @pytest.fixture
    def backend_url(self, server: RedisServer) -> str:
        return server.url
