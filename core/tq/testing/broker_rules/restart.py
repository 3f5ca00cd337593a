"""Restart: what a durable broker accepted is there after its server came back."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from tq.contracts.broker import Broker, Cap
from tq.testing.broker_kit import BrokerKit, ids, names, settle
from tq.testing.needs import needs


class Restart:
    """Tests with the fixture `restart_service`."""

    broker_class: ClassVar[type[Broker]]

    @needs(Cap.DURABLE)
    def test_accepted_messages_survive_a_restart(
        self, kit: BrokerKit, broker: Broker, queue: str, restart_service: Callable[[], None]
    ) -> None:
        sent = names(20)
        kit.send(broker, queue, *sent)
        restart_service()
        assert kit.same(ids(kit.take(kit.survive(lambda: kit.consumer(kit.broker(), queue)), 20)), sent)

    @needs(Cap.DURABLE)
    def test_a_broker_reconnects_by_itself(
        self, kit: BrokerKit, broker: Broker, queue: str, restart_service: Callable[[], None]
    ) -> None:
        kit.send(broker, queue, "before")
        restart_service()
        kit.survive(lambda: kit.send(broker, queue, "after"))
        taken = kit.survive(lambda: kit.take(kit.consumer(broker, queue), 2))
        assert kit.same(ids(taken), ["before", "after"])

    @needs(Cap.DURABLE | Cap.LEASE)
    def test_a_consumer_keeps_what_it_held_across_a_restart(
        self, kit: BrokerKit, broker: Broker, queue: str, restart_service: Callable[[], None]
    ) -> None:
        sent = names(3)
        kit.send(broker, queue, *sent)
        consumer = kit.consumer(broker, queue, lease=60.0)
        held = kit.take(consumer, 2)
        restart_service()
        assert kit.survive(lambda: settle(consumer, held)) == [True, True]
        assert ids(kit.survive(lambda: kit.take(consumer, 1))) == sent[2:]
        consumer.close()
        other = kit.consumer(kit.broker(), queue)
        assert ids(kit.take(other, 1)) == sent[2:]
        assert kit.rest(other) == []
