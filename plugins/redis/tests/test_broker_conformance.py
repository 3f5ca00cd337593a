"""The broker under the suite that every plugin passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from tests.services.redis import RedisServer
from tests.services.served import BehindProxy, OnRedis
from tq.testing import BrokerConformance
from tq_redis import RedisBroker


class TestRedisBroker(OnRedis, BehindProxy, BrokerConformance):
    """Redis as broker."""

    broker_class = RedisBroker

    @pytest.fixture
    def broker_url(self, server: RedisServer) -> str:
        return server.url

    @pytest.fixture
    def put_raw(self, server: RedisServer) -> Callable[[str, bytes], None]:
        def put(queue: str, raw: bytes) -> None:
            with redis.Redis.from_url(server.url) as client:
                client.lpush(queue, raw)

        return put

    @pytest.fixture
    def wrong_password_url(self, redis_server: Callable[..., RedisServer]) -> str:
        return redis_server("requirepass right").url.replace("//", "//:s3cret@")
