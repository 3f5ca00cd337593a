"""The result backend under the suite that every plugin passes."""

from __future__ import annotations

import pytest

from tq.testing import ResultBackendConformance
from tq_redis import RedisBackend


class TestRedisBackend(ResultBackendConformance):
    """Redis as result backend."""

    backend_class = RedisBackend

    @pytest.fixture
    def backend_url(self, redis_url: str) -> str:
        return redis_url

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"redis://user:s3cret@127.0.0.1:{free_port}/0"
