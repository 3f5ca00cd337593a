"""The suite asks no order of a broker that keeps none: it passes one that mixes its messages up on purpose."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import msgspec
import pytest

from tq.brokers.memory import MemoryBroker, MemoryConsumer
from tq.contracts.broker import Broker, Cap, Consumer
from tq.records import Envelope, Settlement
from tq.testing import BrokerConformance

_numbers = itertools.count()
LACKS = Cap.ORDER | Cap.PRIORITY | Cap.LEASE | Cap.ATTEMPTS


class MixedConsumer(MemoryConsumer):
    """Sends what follows a settlement with other priorities."""

    def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
        return super().settle([msgspec.structs.replace(each, publish=mixed(each.publish)) for each in batch])


class MixedBroker(MemoryBroker):
    """Gives each message a priority that nobody asked for, and so mixes them up."""

    capabilities: ClassVar[Cap] = MemoryBroker.capabilities & ~LACKS
    consumer_class: ClassVar[type[MemoryConsumer]] = MixedConsumer
    # The suite asks for an order in its tests of leases; no store has leases and no order.
    heartbeat, held, release = Broker.heartbeat, Broker.held, Broker.release

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        return super().publish(mixed(batch), timeout=timeout)

    def consumer(self, queues: Sequence[str], consumer_id: str, *, lease: float) -> Consumer:
        return super().consumer(queues, consumer_id, lease=3600.0)


def mixed(batch: Sequence[Envelope]) -> tuple[Envelope, ...]:
    """The same messages, of which each is more urgent than the one before: mostly the last one comes first."""
    return tuple(msgspec.structs.replace(each, priority=next(_numbers) % 10) for each in batch)


class TestMixedBroker(BrokerConformance):
    broker_class = MixedBroker
    many = 500

    @pytest.fixture
    def broker_url(self) -> Iterator[str]:
        yield "memory://mixed"
        MixedBroker.reset("mixed")

    @pytest.fixture
    def slow_factor(self) -> float:
        return 0.5

    @pytest.fixture
    def put_raw(self, broker: MixedBroker) -> Callable[[str, bytes], None]:
        return broker.put_raw
