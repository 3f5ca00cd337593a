"""Delays: a message comes when it is due, not before, wherever it was published from."""

from __future__ import annotations

import time
from functools import partial
from typing import ClassVar

import pytest

from tq.contracts.broker import Broker, Cap
from tq.records import Action
from tq.testing.broker_kit import BrokerKit, come_back, envelope, ids, names, settle
from tq.testing.needs import needs
from tq.testing.threads import at_once


class Delays:
    """Tests of `Envelope.delay` and of `Settlement.delay`."""

    broker_class: ClassVar[type[Broker]]
    many: ClassVar[int]

    @pytest.fixture
    def delay(self, slow_factor: float) -> float:
        """A short delay in seconds."""
        return 0.5 * slow_factor

    @needs(Cap.DELAY)
    def test_a_delayed_message_comes_when_it_is_due(
        self, kit: BrokerKit, broker: Broker, queue: str, delay: float
    ) -> None:
        started = time.monotonic()
        kit.send(broker, queue, "later", delay=delay)
        consumer = kit.consumer(broker, queue)
        assert list(consumer.receive(1, 0.0)) == []
        assert ids(come_back(kit, broker, queue, consumer, 1)) == ["later"]
        assert time.monotonic() - started >= delay * 0.9, "delivered before it was due"

    @needs(Cap.DELAY)
    def test_a_delayed_message_is_found_by_receive_alone(
        self, kit: BrokerKit, broker: Broker, queue: str, delay: float
    ) -> None:
        kit.send(broker, queue, "later", delay=delay)
        assert ids(kit.take(kit.consumer(broker, queue), 1)) == ["later"]

    @needs(Cap.DELAY)
    def test_delayed_messages_come_in_the_order_in_which_they_are_due(
        self, kit: BrokerKit, broker: Broker, queue: str, delay: float
    ) -> None:
        # So long that a machine may stand still for a moment before all are sent.
        kit.send(broker, queue, "third", delay=delay * 6)
        kit.send(broker, queue, "second", delay=delay * 3)
        kit.send(broker, queue, "first")
        assert ids(come_back(kit, broker, queue, kit.consumer(broker, queue), 3)) == [
            "first",
            "second",
            "third",
        ]

    @needs(Cap.DELAY)
    def test_a_delay_that_is_over_is_no_delay(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "overdue", delay=-5.0)
        kit.send(broker, queue, "next")
        assert kit.same(ids(kit.take(kit.consumer(broker, queue), 2)), ["overdue", "next"])

    @needs(Cap.DELAY)
    def test_many_messages_that_are_due_at_once_come_once_each(
        self, kit: BrokerKit, broker: Broker, queue: str, delay: float
    ) -> None:
        sent = names(min(200, self.many))
        kit.send(broker, queue, *sent, delay=delay)
        time.sleep(delay)
        readers = [partial(drain_due, kit, queue) for _ in range(4)]
        assert sorted(name for seen in at_once(readers) for name in seen) == sent

    @needs(Cap.DELAY)
    def test_a_delayed_message_outlives_the_broker_that_published_it(
        self, kit: BrokerKit, broker: Broker, queue: str, delay: float
    ) -> None:
        sender = kit.broker()
        kit.send(sender, queue, "later", delay=delay)
        sender.close()
        assert ids(come_back(kit, broker, queue, kit.consumer(broker, queue), 1)) == ["later"]

    @needs(Cap.DELAY)
    def test_a_delayed_message_comes_once(
        self, kit: BrokerKit, broker: Broker, queue: str, delay: float
    ) -> None:
        """Every worker moves what is due, all at the same moment."""
        kit.send(broker, queue, "later", delay=delay)
        one, two = kit.consumer(broker, queue), kit.consumer(kit.broker(), queue)
        come_back(kit, broker, queue, one, 1)
        broker.maintain([queue])
        assert kit.rest(two) + kit.rest(one) == []

    @needs(Cap.DELAY)
    def test_requeue_with_a_delay_comes_back_later_and_uncharged(
        self, kit: BrokerKit, broker: Broker, queue: str, delay: float
    ) -> None:
        kit.send(broker, queue, "again")
        consumer = kit.consumer(broker, queue)
        started = time.monotonic()
        assert settle(consumer, kit.take(consumer, 1), Action.REQUEUE, delay=delay) == [True]
        assert list(consumer.receive(1, 0.0)) == []
        (back,) = come_back(kit, broker, queue, consumer, 1)
        assert (ids([back]), back.attempt <= 1) == (["again"], True)
        assert time.monotonic() - started >= delay * 0.9, "delivered before it was due"

    @needs(Cap.DELAY)
    def test_what_a_settlement_publishes_may_be_delayed(
        self, kit: BrokerKit, broker: Broker, queue: str, delay: float
    ) -> None:
        kit.send(broker, queue, "first")
        consumer = kit.consumer(broker, queue)
        next_one = envelope(queue, "next", delay=delay)
        assert settle(consumer, kit.take(consumer, 1), publish=(next_one,)) == [True]
        assert list(consumer.receive(1, 0.0)) == []
        assert ids(come_back(kit, broker, queue, consumer, 1)) == ["next"]

    @needs(Cap.DELAY)
    def test_a_long_delay_is_accepted(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        longest = self.broker_class.max_delay or 400 * 86400.0
        kit.send(broker, queue, "far away", delay=longest)
        assert kit.rest(kit.consumer(broker, queue)) == []


def drain_due(kit: BrokerKit, queue: str) -> list[str]:
    """What one of several workers gets, until nothing has come for some time."""
    broker = kit.broker()
    consumer = kit.consumer(broker, queue)
    seen: list[str] = []
    while True:
        broker.maintain([queue])
        taken = consumer.receive(5, kit.moment * 5)
        if not taken:
            return seen
        settle(consumer, taken)
        seen.extend(ids(taken))
