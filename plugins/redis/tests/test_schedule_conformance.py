"""The schedule store under the suite that every store passes."""

from __future__ import annotations

import pytest

from tests.services.redis import RedisServer
from tests.services.served import OnRedis
from tq.testing import ScheduleStoreConformance
from tq_redis.schedule import RedisScheduleStore


class TestRedisScheduleStore(OnRedis, ScheduleStoreConformance):
    """Redis as schedule store."""

    store_class = RedisScheduleStore

    @pytest.fixture
    def store_url(self, server: RedisServer) -> str:
        return server.url
