"""Brokers that get leases and charges wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tq.brokers.memory import MemoryConsumer
from tq.brokers.store import Parcel
from tq.errors import LeaseLost
from tq.records import Delivery, Envelope, Heartbeat, Settlement
from tq.testing.mutants.brokers.mutant import BrokerMutant


class AcceptsLateAcks(BrokerMutant):
    """Says True to a consumer that lost its lease."""

    caught_by = "test_a_late_ack_returns_false_and_removes_nothing"

    class consumer_class(MemoryConsumer):
        def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
            super().settle(batch)
            return [True] * len(batch)


class RemovesOnLateAcks(BrokerMutant):
    """Says False to a late ack, and removes the message all the same."""

    caught_by = "test_a_late_ack_of_a_message_that_waits_again_leaves_it_there"

    class consumer_class(MemoryConsumer):
        def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
            answers = super().settle(batch)
            for settlement, answer in zip(batch, answers, strict=True):
                if not answer:
                    self._store.take([settlement.delivery.queue])
            return answers


class PublishesForTheDead(BrokerMutant):
    """Publishes what a late settlement brings."""

    caught_by = "test_a_late_settlement_publishes_nothing"

    class consumer_class(MemoryConsumer):
        def _settle(self, settlement: Settlement, follow_ups: list[tuple[Envelope, bytes]]) -> bool:
            answer = super()._settle(settlement, follow_ups)
            if not answer:
                for envelope, raw in follow_ups:
                    self._store.accept(envelope, raw)
            return answer


class NeverTakesBack(BrokerMutant):
    """Leaves messages with the dead for ever."""

    caught_by = "test_a_dead_consumers_messages_go_to_another"

    def maintain(self, queues: Sequence[str], *, max_attempts: int = 3) -> Sequence[Delivery]:
        return ()


class IgnoresHeartbeats(BrokerMutant):
    """Takes from the living: a task longer than the lease runs twice."""

    caught_by = "test_a_living_consumer_keeps_its_messages_for_many_leases"

    def heartbeat(self, beats: Sequence[Heartbeat], *, lease: float) -> Sequence[bool]:
        return [beat.consumer_id in self._store.holders for beat in beats]


class ServesTheFenced(BrokerMutant):
    """Lets a consumer that was declared dead go on receiving."""

    caught_by = "test_a_fenced_consumer_cannot_receive"

    class consumer_class(MemoryConsumer):
        def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
            try:
                return super().receive(limit, wait)
            except LeaseLost:
                return ()


class ChargesWhatWaited(BrokerMutant):
    """Counts an attempt for all that a dead consumer held."""

    caught_by = "test_only_what_a_dead_consumer_ran_is_charged"

    def heartbeat(self, beats: Sequence[Heartbeat], *, lease: float) -> Sequence[bool]:
        everything = [Heartbeat(beat.consumer_id, tuple(range(1000))) for beat in beats]
        return super().heartbeat(everything, lease=lease)


class ChargesOnlyWhatAHeartbeatNamed(BrokerMutant):
    """Lets a message that kills at once, before any heartbeat, kill for ever."""

    caught_by = "test_the_first_of_a_batch_is_charged_although_no_heartbeat_came"

    class consumer_class(MemoryConsumer):
        def _take(self, limit: int) -> list[Delivery]:
            taken = super()._take(limit)
            self._store.holders[self.id].firsts = frozenset()
            return taken


class ChargesTheFirstForEver(BrokerMutant):
    """Does not learn from a heartbeat that the first of a batch runs no more."""

    caught_by = "test_a_heartbeat_that_names_nothing_clears_the_first"

    def heartbeat(self, beats: Sequence[Heartbeat], *, lease: float) -> Sequence[bool]:
        firsts = {name: holder.firsts for name, holder in self._store.holders.items()}
        alive = super().heartbeat(beats, lease=lease)
        for name, holder in self._store.holders.items():
            holder.firsts = firsts.get(name, frozenset())
        return alive


class NeverCharges(BrokerMutant):
    """Lets a killer message run for ever."""

    caught_by = "test_release_charges_what_ran_until_its_attempts_are_used_up"

    def release(self, consumer_id: str, **how: Any) -> Sequence[Delivery]:
        return super().release(consumer_id)


class HoldsEverything(BrokerMutant):
    """Says of every receipt that it is held."""

    caught_by = "test_held_of_a_dead_consumer_is_nothing"

    def held(self, consumer_id: str, receipts: Sequence[int]) -> Sequence[Delivery]:
        parcel = Parcel(b"", "", 0)
        return [parcel.delivery(receipt) for receipt in receipts]
