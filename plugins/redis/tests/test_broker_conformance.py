"""The broker under the suite that every plugin passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from tq.testing import BrokerConformance
from tq_redis import RedisBroker


class TestRedisBroker(BrokerConformance):
    """Redis as broker."""

    broker_class = RedisBroker

    @pytest.fixture
    def broker_url(self, redis_url: str) -> str:
        return redis_url

    @pytest.fixture
    def put_raw(self, redis_url: str) -> Callable[[str, bytes], None]:
        return lambda queue, raw: redis.Redis.from_url(redis_url).lpush(queue, raw) and None

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"redis://user:s3cret@127.0.0.1:{free_port}/0"
