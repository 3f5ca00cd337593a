"""The suite on each mutant; `test_mutants.py` runs this file in a process of its own."""

from collections.abc import Callable

import pytest

from tq.testing import BrokerConformance
from tq.testing.mutants import MUTANTS, Mutant


class Mutated(BrokerConformance):
    model_examples = 30

    @pytest.fixture
    def broker_url(self) -> str:
        return f"memory://{self.broker_class.__name__}"

    @pytest.fixture
    def slow_factor(self) -> float:
        return 0.25

    @pytest.fixture
    def put_raw(self, broker: Mutant) -> Callable[[str, bytes], None]:
        return broker.put_raw


for mutant in MUTANTS:
    globals()[f"Test{mutant.__name__}"] = type(f"Test{mutant.__name__}", (Mutated,), {"broker_class": mutant})
