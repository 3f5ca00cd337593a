from collections.abc import Callable, Iterator

import pytest

from tq.brokers.memory import MemoryBroker
from tq.testing import BrokerConformance


class TestMemoryBroker(BrokerConformance):
    broker_class = MemoryBroker

    @pytest.fixture
    def broker_url(self) -> Iterator[str]:
        yield "memory://conformance"
        MemoryBroker.reset("conformance")

    @pytest.fixture
    def slow_factor(self) -> float:
        return 0.5

    @pytest.fixture
    def put_raw(self, broker: MemoryBroker) -> Callable[[str, bytes], None]:
        return broker.put_raw
