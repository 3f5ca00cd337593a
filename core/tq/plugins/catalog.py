"""Which bundle (`pip install "tq[BUNDLE]"`) brings which driver: data for error messages, nothing else.

The names are Celery's transport and backend aliases where Celery has them. What is installed counts before
this table, so a third party may take any name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CORE: Final = ""
"""In place of a bundle: part of tq-core itself."""

_REDIS = dict.fromkeys(
    ("redis", "rediss", "redis+socket", "unix", "sentinel"),
    "redis",
)
_SQL = dict.fromkeys(("sqlite", "postgresql", "mysql", "mariadb", "sqla"), "sql")

BROKERS: Final[Mapping[str, str]] = {
    **_REDIS,
    **_SQL,
    **dict.fromkeys(("amqp", "amqps", "pyamqp", "librabbitmq"), "amqp"),
    "sqs": "sqs",
    "filesystem": "filesystem",
    "mongodb": "mongodb",
    "memory": CORE,
}

BACKENDS: Final[Mapping[str, str]] = {
    **_REDIS,
    **_SQL,
    "db": "sql",
    "rpc": "amqp",
    **dict.fromkeys(("memcache", "memcached", "cache", "cache+memcached", "cache+pymemcache"), "memcache"),
    **dict.fromkeys(("file", "filesystem"), "filesystem"),
    "mongodb": "mongodb",
    "s3": "s3",
    "memory": CORE,
    "cache+memory": CORE,
}

REDIS: Final = frozenset(_REDIS)
"""Schemes that `redis_backend_use_ssl` is about."""
SECURE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("redis", "rediss"), "rediss"),
    **dict.fromkeys(("amqp", "amqps", "pyamqp", "librabbitmq"), "amqps"),
}
"""Scheme → the same with TLS."""

SERIALIZERS: Final[Mapping[str, str]] = {
    "json": CORE,
    "msgpack": "msgpack",
    "yaml": "yaml",
    "pickle": "pickle",
    "auth": "auth",
}

CONTENT_TYPES: Final[Mapping[str, str]] = {
    "application/json": "json",
    "application/x-msgpack": "msgpack",
    "application/x-yaml": "yaml",
    "application/x-python-serialize": "pickle",
    "application/data": "auth",
}
"""The serializer's name, for settings that name a content type instead."""

POOLS: Final[Mapping[str, str]] = {
    "solo": CORE,
    **dict.fromkeys(("prefork", "processes"), "prefork"),
    "threads": "threads",
    "asyncio": "asyncio",
    "gevent": "gevent",
    "eventlet": "eventlet",
}

SCHEDULERS: Final[Mapping[str, str]] = {**_REDIS, **_SQL, "memory": CORE, "file": CORE}
