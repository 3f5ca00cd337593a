"""The rules of every pool."""

from __future__ import annotations

from tq.testing import PoolConformance
from tq_threads import ThreadsPool


class TestThreadsPool(PoolConformance):
    pool_class = ThreadsPool
