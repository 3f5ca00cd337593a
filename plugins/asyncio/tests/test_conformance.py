"""The rules of every pool."""

from __future__ import annotations

from tq.testing import PoolConformance
from tq_asyncio import AsyncioPool


class TestAsyncioPool(PoolConformance):
    pool_class = AsyncioPool
