"""The suite on each mutant; `test_mutants.py` runs this file in a process of its own."""

from collections.abc import Callable

import pytest

from tq.testing import (
    BrokerConformance,
    HooksConformance,
    PoolConformance,
    ResultBackendConformance,
    ScheduleStoreConformance,
    SerializerConformance,
)
from tq.testing.broker_kit import BrokerKit
from tq.testing.mutants.backends import BACKENDS
from tq.testing.mutants.brokers import BROKERS, BrokerMutant
from tq.testing.mutants.hooks import HOOKS
from tq.testing.mutants.memories import MEMORIES
from tq.testing.mutants.pools import POOLS
from tq.testing.mutants.schedules import SCHEDULES
from tq.testing.mutants.serializers import SERIALIZERS
from tq.testing.result_kit import ResultKit


class Quick:
    @pytest.fixture
    def slow_factor(self) -> float:
        return 0.1


class Impatient(Quick):
    @pytest.fixture(autouse=True)
    def _impatient(self, kit: BrokerKit | ResultKit) -> None:
        kit.patience = 0.5  # most mutants let the suite wait for what never comes


class Broker(Impatient, BrokerConformance):
    model_examples = 30

    @pytest.fixture
    def broker_url(self) -> str:
        return f"memory://{self.broker_class.__name__}"

    @pytest.fixture
    def put_raw(self, broker: BrokerMutant) -> Callable[[str, bytes], None]:
        return broker.put_raw


class Backend(Impatient, ResultBackendConformance):
    @pytest.fixture
    def backend_url(self) -> str:
        return f"memory://{self.backend_class.__name__}"


class Schedule(ScheduleStoreConformance):
    @pytest.fixture
    def store_url(self) -> str:
        return f"memory://{self.store_class.__name__}"


class Serializer(SerializerConformance):
    pass


class Pool(Quick, PoolConformance):
    pass


class Hooks(HooksConformance):
    pass


for suite, attribute, mutants in (
    (Broker, "broker_class", (*BROKERS, *MEMORIES)),
    (Backend, "backend_class", BACKENDS),
    (Schedule, "store_class", SCHEDULES),
    (Serializer, "serializer_class", SERIALIZERS),
    (Pool, "pool_class", POOLS),
    (Hooks, "plugin", HOOKS),
):
    for mutant in mutants:
        globals()[f"Test{mutant.__name__}"] = type(f"Test{mutant.__name__}", (suite,), {attribute: mutant})
