"""The conformance suite: what a plugin must do, as tests that a plugin's own test file inherits.

    from tq.testing import BrokerConformance

    class TestMyBroker(BrokerConformance):
        broker_class = MyBroker

        @pytest.fixture
        def broker_url(self):
            return "mine://localhost"

That is a whole test file; `tq plugin new` writes one, with the plugin. What the class declares in `capabilities` is
tested; what it does not declare is skipped with a line that says so, or has to be refused clearly. Override a
test, with a comment, where a store cannot keep a rule. All suites and fixtures: docs/plugins/testing.md.

Needs pytest and hypothesis: `pip install "tq-core[testing]"`.
"""

from __future__ import annotations

try:
    import hypothesis as _hypothesis
    import pytest as _pytest
except ImportError as exc:
    raise ImportError(
        f"tq.testing needs {exc.name}, which is not installed: pip install 'tq-core[testing]'"
    ) from exc

# Before the first import of these modules: a failing assert then shows its values.
_pytest.register_assert_rewrite(
    "tq.testing.broker",
    "tq.testing.broker_rules",
    "tq.testing.broker_kit",
    "tq.testing.result_rules",
    "tq.testing.result_kit",
    "tq.testing.results",
    "tq.testing.schedules",
    "tq.testing.serializer",
    "tq.testing.hooks",
    "tq.testing.pool",
    "tq.testing.pool_kit",
)

from tq.testing.broker import BrokerConformance
from tq.testing.hooks import HooksConformance
from tq.testing.pool import PoolConformance
from tq.testing.results import ResultBackendConformance
from tq.testing.schedules import ScheduleStoreConformance
from tq.testing.serializer import SerializerConformance
from tq.testing.worker import running_worker

__all__ = [
    "BrokerConformance",
    "HooksConformance",
    "PoolConformance",
    "ResultBackendConformance",
    "ScheduleStoreConformance",
    "SerializerConformance",
    "running_worker",
]
del _hypothesis, _pytest
