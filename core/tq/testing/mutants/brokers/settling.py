"""Brokers that settle wrongly."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tq.brokers.memory import MemoryConsumer
from tq.records import Action, Envelope, Settlement
from tq.testing.mutants.brokers.mutant import BrokerMutant


class AcksAll(BrokerMutant):
    """One ack removes all that the consumer holds."""

    caught_by = "test_ack_of_one_message_keeps_the_others"

    class consumer_class(MemoryConsumer):
        def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
            answers = super().settle(batch)
            if any(settlement.action is Action.ACK for settlement in batch):
                self._store.holders[self.id].held.clear()
            return answers


class LosesOnRequeue(BrokerMutant):
    """Acks what should go back."""

    caught_by = "test_requeue_puts_the_message_at_the_head"

    class consumer_class(MemoryConsumer):
        def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
            return super().settle([msgspec.structs.replace(s, action=Action.ACK) for s in batch])


class RequeuesAtTheTail(BrokerMutant):
    """Sends what goes back to the end of the queue."""

    caught_by = "test_requeue_puts_the_message_at_the_head"

    class consumer_class(MemoryConsumer):
        def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
            tail = [
                msgspec.structs.replace(s, delay=1e-9) if s.action is Action.REQUEUE else s for s in batch
            ]
            return super().settle(tail)


class ChargesRequeues(BrokerMutant):
    """Counts a requeue as an attempt."""

    caught_by = "test_requeue_is_not_charged_as_an_attempt"

    class consumer_class(MemoryConsumer):
        def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
            holder = self._store.holders.get(self.id)
            for settlement in batch:
                parcel = holder.held.get(int(settlement.delivery.receipt)) if holder else None
                if parcel and settlement.action is Action.REQUEUE:
                    parcel.attempt += 1
            return super().settle(batch)


class RepeatsSettlements(BrokerMutant):
    """Publishes again when a settlement is repeated."""

    caught_by = "test_settling_twice_publishes_once"

    class consumer_class(MemoryConsumer):
        def _settle(self, settlement: Settlement, follow_ups: list[tuple[Envelope, bytes]]) -> bool:
            held = self._store.holders[self.id].held
            if int(settlement.delivery.receipt) not in held:
                for envelope, raw in follow_ups:
                    self._store.accept(envelope, raw)
            return super()._settle(settlement, follow_ups)


class ForgetsFollowUps(BrokerMutant):
    """Settles, and publishes nothing."""

    caught_by = "test_settle_publishes_what_follows"

    class consumer_class(MemoryConsumer):
        def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
            return super().settle([msgspec.structs.replace(s, publish=()) for s in batch])


class KeepsWhatAClosedConsumerHeld(BrokerMutant):
    """Gives nothing back on close."""

    caught_by = "test_closing_a_consumer_gives_back_what_it_held"

    class consumer_class(MemoryConsumer):
        def close(self) -> None:
            """What it held is never seen again."""
