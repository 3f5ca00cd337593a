"""Priorities: 9 before 0, the oldest first among equals."""

from __future__ import annotations

from typing import ClassVar

from tq.contracts.broker import Broker, Cap
from tq.records import Action
from tq.testing.broker_kit import BrokerKit, envelope, ids, settle
from tq.testing.needs import needs


class Priorities:
    """Tests of `Envelope.priority`."""

    broker_class: ClassVar[type[Broker]]

    @needs(Cap.PRIORITY)
    def test_a_higher_priority_comes_first(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        batch = [
            envelope(queue, f"p{priority}", priority=priority) for priority in (3, 9, 0, 6, 1, 8, 5, 2, 7, 4)
        ]
        assert list(kit.publish(broker, batch)) == [None] * 10
        taken = ids(kit.take(kit.consumer(broker, queue), 10))
        assert taken == [f"p{priority}" for priority in range(9, -1, -1)]

    @needs(Cap.PRIORITY)
    def test_the_oldest_comes_first_within_a_priority(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        for turn in range(3):
            for priority in (0, 9, 4):
                kit.send(broker, queue, f"{priority}-{turn}", priority=priority)
        taken = ids(kit.take(kit.consumer(broker, queue), 9))
        assert taken == [f"{priority}-{turn}" for priority in (9, 4, 0) for turn in range(3)]

    @needs(Cap.PRIORITY)
    def test_no_priority_counts_as_zero(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        for name, priority in [("a", None), ("b", 0), ("c", None), ("first", 1)]:
            kit.send(broker, queue, name, priority=priority)
        assert ids(kit.take(kit.consumer(broker, queue), 4)) == ["first", "a", "b", "c"]

    @needs(Cap.PRIORITY)
    def test_an_urgent_message_overtakes_what_waits(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        consumer = kit.consumer(broker, queue)
        kit.send(broker, queue, "one", "two")
        assert ids(kit.take(consumer, 1)) == ["one"]
        kit.send(broker, queue, "urgent", priority=9)
        assert ids(kit.take(consumer, 2)) == ["urgent", "two"]

    @needs(Cap.PRIORITY)
    def test_a_requeued_message_keeps_its_priority(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        consumer = kit.consumer(broker, queue)
        kit.send(broker, queue, "low")
        settle(consumer, kit.take(consumer, 1), Action.REQUEUE)
        kit.send(broker, queue, "high", priority=9)
        high, low = kit.take(consumer, 2)
        assert ids([high, low]) == ["high", "low"]
        settle(consumer, [low, high], Action.REQUEUE)
        assert ids(kit.take(consumer, 2)) == ["high", "low"]

    @needs(Cap.PRIORITY | Cap.DELAY)
    def test_a_delayed_message_keeps_its_priority(
        self, kit: BrokerKit, broker: Broker, queue: str, slow_factor: float
    ) -> None:
        delay = 0.3 * slow_factor
        kit.send(broker, queue, "low", delay=delay, priority=1)
        kit.send(broker, queue, "high", delay=delay, priority=9)
        consumer = kit.consumer(broker, f"{queue}-gate", queue)
        kit.send(broker, f"{queue}-gate", "due", delay=delay * 2)
        assert "due" in ids(kit.take(kit.consumer(broker, f"{queue}-gate"), 1))
        assert ids(kit.take(consumer, 2)) == ["high", "low"]
