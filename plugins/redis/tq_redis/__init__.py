"""Redis as broker and result backend of tq."""

from __future__ import annotations

from tq_redis.backend import RedisBackend
from tq_redis.broker import RedisBroker

__all__ = ["RedisBackend", "RedisBroker"]
