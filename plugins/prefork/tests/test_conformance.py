"""The rules of every pool."""

from __future__ import annotations

from tq.testing import PoolConformance
from tq_prefork import PreforkPool


class TestPreforkPool(PoolConformance):
    pool_class = PreforkPool
