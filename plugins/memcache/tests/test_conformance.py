"""The result backend under the suite that every plugin passes: on one server, and over three."""

from __future__ import annotations

import pytest

from tq.testing import ResultBackendConformance
from tq_memcache import MemcacheBackend


class TestMemcacheBackend(ResultBackendConformance):
    """One memcached."""

    backend_class = MemcacheBackend
    large = 2**20 - 2**13  # memcached keeps 1 MB with key and header

    @pytest.fixture
    def backend_url(self, memcached_url: str) -> str:
        return memcached_url

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"memcache://user:s3cret@127.0.0.1:{free_port}/"


class TestThreeServers(TestMemcacheBackend):
    """Several, as Celery names them."""

    @pytest.fixture
    def backend_url(self, ring_url: str) -> str:
        return ring_url
