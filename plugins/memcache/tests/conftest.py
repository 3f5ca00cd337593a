"""What the tests of this plugin share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.services.memcached import MemcachedServer
from tq.wire.json import JsonSerializer
from tq_memcache import MemcacheBackend

NewBackend = Callable[..., MemcacheBackend]


@pytest.fixture
def backend_at() -> Iterator[NewBackend]:
    """Make backends: `backend_at(url, expires=60, option=value, ...)`."""
    made: list[MemcacheBackend] = []

    def make(url: str, expires: float | None = 3600.0, **options: Any) -> MemcacheBackend:
        made.append(MemcacheBackend(url, options, serializer=JsonSerializer(), expires=expires))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture(scope="module")
def ring(shared_memcached: MemcachedServer) -> Iterator[list[MemcachedServer]]:
    """Three servers, one of them the session's."""
    with MemcachedServer() as second, MemcachedServer() as third:
        second.start()
        third.start()
        yield [shared_memcached, second, third]


@pytest.fixture
def ring_url(ring: list[MemcachedServer]) -> str:
    """The URL of three servers, as Celery writes it; all are empty."""
    for server in ring:
        server.flush()
    return "cache+memcached://" + ";".join(f"127.0.0.1:{server.port}" for server in ring) + "/"


@pytest.fixture
def backend(memcached_url: str, backend_at: NewBackend) -> MemcacheBackend:
    """A backend on the session's server, which is empty."""
    return backend_at(memcached_url)
