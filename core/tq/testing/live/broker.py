"""The suite of brokers on the URL of `tq plugins check`; it removes what it leaves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from tq.contracts.broker import Broker, Cap, Consumer
from tq.errors import BrokerError
from tq.plugins.registry import broker_class
from tq.records import Envelope, Settlement
from tq.testing.broker import BrokerConformance
from tq.testing.live.target import target
from tq.wire.ids import new_id


def _noting(cls: type[Broker]) -> Any:
    """The same class, but it notes in `used` the queues that it is asked for; the suite made all of them."""

    class Noting(cls):  # type: ignore[valid-type, misc]
        used: ClassVar[set[str]] = set()

        def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
            self.used.update(envelope.queue for envelope in batch)
            answer: Sequence[Exception | None] = super().publish(batch, timeout=timeout)
            return answer

        def consumer(self, queues: Sequence[str], consumer_id: str, *, lease: float) -> Consumer:
            self.used.update(queues)
            made: Consumer = super().consumer(queues, consumer_id, lease=lease)
            return made

    Noting.__name__ = Noting.__qualname__ = cls.__name__
    return Noting


class TestBroker(BrokerConformance):
    broker_class: ClassVar[Any] = _noting(broker_class(target().url))

    @pytest.fixture
    def broker_url(self) -> str:
        return target().url

    @pytest.fixture
    def broker_options(self) -> Mapping[str, Any]:
        return target().options

    @pytest.fixture
    def slow_factor(self) -> float:
        return target().slow_factor

    @pytest.fixture
    def queue(self) -> str:
        return f"tq-check-{new_id()}"

    @pytest.fixture(scope="class", autouse=True)
    def _clean(self) -> Iterator[None]:
        yield
        broker = self.broker_class(target().url, target().options)
        try:
            for queue in sorted(self.broker_class.used):
                with contextlib.suppress(BrokerError):  # what cannot be removed is not a broken rule
                    _empty(broker, queue)
        finally:
            broker.close()


def _empty(broker: Broker, queue: str) -> None:
    """Remove what waits and what is dead."""
    if Cap.PURGE in broker.capabilities:
        broker.purge(queue)
    else:
        _drain(broker, queue)
    if Cap.DEAD_LETTERS in broker.capabilities:
        while dead := broker.dead_letters(queue):
            broker.drop_dead(queue, [letter.id for letter in dead])


def _drain(broker: Broker, queue: str) -> None:
    consumer = broker.consumer([queue], f"tq-check-{new_id()}", lease=60.0)
    try:
        while taken := consumer.receive(100, 0.0):
            consumer.settle([Settlement(delivery) for delivery in taken])
    finally:
        consumer.close()
