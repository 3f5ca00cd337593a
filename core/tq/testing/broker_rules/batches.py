"""Batches: a thousand at once, ten thousand in turn."""

from __future__ import annotations

from typing import ClassVar

from tq.contracts.broker import Broker
from tq.records import Action, Settlement
from tq.testing.broker_kit import BrokerKit, ids, names, settle


class Batches:
    """Tests of large batches."""

    broker_class: ClassVar[type[Broker]]
    many: ClassVar[int] = 10_000
    """How many messages the largest test drains; lower it for a store that is paid by the message."""

    def test_a_batch_of_a_thousand_is_published_received_and_settled(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        sent = names(min(1000, self.many))
        kit.send(broker, queue, *sent)
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, len(sent))
        assert kit.same(ids(taken), sent)
        assert settle(consumer, taken) == [True] * len(sent)
        assert kit.rest(consumer) == []

    def test_a_thousand_can_be_given_back_in_order(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        sent = names(min(1000, self.many))
        kit.send(broker, queue, *sent)
        consumer = kit.consumer(broker, queue)
        kit.take(consumer, len(sent))
        consumer.close()
        assert kit.same(ids(kit.take(kit.consumer(broker, queue), len(sent))), sent)

    def test_ten_thousand_messages_are_drained_exactly_once(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        sent = names(self.many)
        for start in range(0, len(sent), 1000):
            kit.send(broker, queue, *sent[start : start + 1000])
        consumer = kit.consumer(broker, queue)
        seen: list[str] = []
        batch: list[Settlement] = []
        while True:
            answers, deliveries = consumer.turn(batch, 500, kit.moment if seen else kit.patience)
            assert list(answers) == [True] * len(batch)
            if not deliveries:
                break
            seen.extend(ids(deliveries))
            batch = [Settlement(delivery, Action.ACK) for delivery in deliveries]
        assert kit.same(seen, sent)
