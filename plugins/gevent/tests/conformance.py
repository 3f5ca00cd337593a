"""Run by test_conformance.py in a patched process; the name keeps pytest from collecting it in any other."""

from __future__ import annotations

from tests.pools.green_rules import GreenRules
from tq.testing import PoolConformance
from tq_gevent import GeventPool


class TestGeventPool(PoolConformance):
    pool_class = GeventPool


class TestGreenlets(GreenRules):
    pool_class = GeventPool
