"""Run by test_conformance.py in a patched process; the name keeps pytest from collecting it in any other."""

from __future__ import annotations

import eventlet.debug  # type: ignore[import-untyped, import-not-found, unused-ignore]

from tests.pools.green_rules import GreenRules
from tq.testing import PoolConformance
from tq_eventlet import EventletPool


class TestEventletPool(PoolConformance):
    pool_class = EventletPool


class TestGreenlets(GreenRules):
    pool_class = EventletPool


# The bodies of the suite all look at one pipe.
eventlet.debug.hub_prevent_multiple_readers(False)
