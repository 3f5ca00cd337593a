"""Brokers that are wrong on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import msgspec

from tq.brokers.memory import MemoryBroker, MemoryConsumer
from tq.brokers.store import Parcel
from tq.contracts.broker import Broker, Cap, Consumer
from tq.errors import EncodeError, LeaseLost, PublishError
from tq.records import Action, DeadLetter, Delivery, Envelope, Heartbeat, QueueStats, Settlement
from tq.wire.envelope import pack


class BrokerMutant(MemoryBroker):
    """A memory broker with a flaw."""

    caught_by: ClassVar[str]
    """The test of `BrokerConformance` that must fail."""


# -- publishing ----------------------------------------------------------------------------------------------


class SwallowsPublishErrors(BrokerMutant):
    """Says that a message was accepted which it could not write."""

    caught_by = "test_publish_reports_a_bad_message_and_sends_its_neighbours"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        super().publish(batch, timeout=timeout)
        return [None] * len(batch)


class SpoilsNeighbours(BrokerMutant):
    """Refuses a whole batch because of one bad message."""

    caught_by = "test_publish_reports_a_bad_message_and_sends_its_neighbours"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        try:
            for envelope in batch:
                pack(envelope)
        except EncodeError as exc:
            return [PublishError(str(exc))] * len(batch)
        return super().publish(batch, timeout=timeout)


class LosesTheEndOfLargeBatches(BrokerMutant):
    """Writes at most 500 messages of a batch."""

    caught_by = "test_a_batch_of_a_thousand_is_published_received_and_settled"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        super().publish(batch[:500], timeout=timeout)
        return [None] * len(batch)


class IgnoresPriority(BrokerMutant):
    """Hands out all in order of arrival."""

    caught_by = "test_a_higher_priority_comes_first"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        return super().publish([msgspec.structs.replace(e, priority=None) for e in batch], timeout=timeout)


class DeliversEarly(BrokerMutant):
    """Ignores delays."""

    caught_by = "test_a_delayed_message_comes_when_it_is_due"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        return super().publish([msgspec.structs.replace(e, delay=0.0) for e in batch], timeout=timeout)


class ForgetsUniqueness(BrokerMutant):
    """Accepts a unique message again."""

    caught_by = "test_publish_of_a_unique_message_again_is_a_no_op"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        return super().publish([msgspec.structs.replace(e, unique=False) for e in batch], timeout=timeout)


# -- receiving -----------------------------------------------------------------------------------------------


class Handout(MemoryConsumer):
    """A consumer that may change what it was given."""

    def _take(self, limit: int) -> list[Delivery]:
        return self.change(super()._take(limit))

    def change(self, taken: list[Delivery]) -> list[Delivery]:
        """The flaw."""
        raise NotImplementedError


class SharesReceipts(BrokerMutant):
    """Gives one receipt to all."""

    caught_by = "test_receive_gives_receipts_that_differ"

    class consumer_class(Handout):
        def change(self, taken: list[Delivery]) -> list[Delivery]:
            return [msgspec.structs.replace(delivery, receipt=0) for delivery in taken]


class IgnoresTheLimit(BrokerMutant):
    """Hands out more than was asked for."""

    caught_by = "test_receive_takes_no_more_than_its_limit"

    class consumer_class(MemoryConsumer):
        def _take(self, limit: int) -> list[Delivery]:
            return super()._take(limit + 1)


class HandsOutTheNewestFirst(BrokerMutant):
    """Is a stack."""

    caught_by = "test_receive_hands_out_the_oldest_first"

    class consumer_class(Handout):
        def change(self, taken: list[Delivery]) -> list[Delivery]:
            return taken[::-1]


class DeliversTwice(BrokerMutant):
    """Leaves in the queue what it lends."""

    caught_by = "test_receive_gives_no_message_to_two_consumers"

    class consumer_class(Handout):
        def change(self, taken: list[Delivery]) -> list[Delivery]:
            for parcel in self._store.holders[self.id].held.values():
                self._store.put_back(replace(parcel))
            return taken


class ReadsTheFirstQueueOnly(BrokerMutant):
    """Forgets that a consumer has several queues."""

    caught_by = "test_receive_reads_all_of_its_queues_and_no_other"

    def consumer(self, queues: Sequence[str], consumer_id: str, *, lease: float) -> Consumer:
        return super().consumer(queues[:1], consumer_id, lease=lease)


class HidesUndecodableBytes(BrokerMutant):
    """Drops what it cannot read."""

    caught_by = "test_receive_hands_out_undecodable_bytes_between_good_messages"

    def put_raw(self, queue: str, raw: bytes) -> None:
        """The bytes are gone."""


class DeafToInterrupts(BrokerMutant):
    """Does not wake."""

    caught_by = "test_interrupt_ends_a_receive_that_waits"

    class consumer_class(MemoryConsumer):
        def interrupt(self) -> None:
            self._interrupted = True


class ForgetsAnEarlyInterrupt(BrokerMutant):
    """Clears the flag when a receive begins: an interrupt just before is lost."""

    caught_by = "test_interrupt_just_before_receive_ends_it_at_once"

    class consumer_class(MemoryConsumer):
        def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
            self._interrupted = False
            return super().receive(limit, wait)


# -- settling ------------------------------------------------------------------------------------------------


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


# -- leases --------------------------------------------------------------------------------------------------


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


# -- the rest ------------------------------------------------------------------------------------------------


class LacksWhatItDeclares(BrokerMutant):
    """Declares `Cap.STATS` and has no `stats`."""

    caught_by = "test_a_capability_has_its_method_or_a_refusal[stats]"

    stats = Broker.stats


class HasWhatItDoesNotDeclare(BrokerMutant):
    """Answers a question that it says it cannot answer."""

    caught_by = "test_a_capability_has_its_method_or_a_refusal[stats]"
    capabilities = MemoryBroker.capabilities & ~Cap.STATS

    def stats(self, queue: str) -> QueueStats:
        return QueueStats(queue, ready=0)


class ForgetsWhyItDied(BrokerMutant):
    """Loses the reason of a dead letter."""

    caught_by = "test_a_dead_letter_says_what_died_why_and_when"

    def dead_letters(self, queue: str, *, limit: int = 100) -> Sequence[DeadLetter]:
        letters = super().dead_letters(queue, limit=limit)
        return [msgspec.structs.replace(letter, reason="") for letter in letters]


class PurgesWhatIsLent(BrokerMutant):
    """Takes from consumers what they work on."""

    caught_by = "test_purge_keeps_what_is_lent"

    def purge(self, queue: str) -> int:
        for holder in self._store.holders.values():
            holder.held.clear()
        return super().purge(queue)


class LosesAMessageAfterAPurge(BrokerMutant):
    """Is wrong only in a certain order of operations."""

    caught_by = "test_any_sequence_of_operations_keeps_each_message_in_one_place"
    _purged = False

    def purge(self, queue: str) -> int:
        self._purged = True
        return super().purge(queue)

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        lost, self._purged = (1 if self._purged else 0), False
        super().publish(batch[lost:], timeout=timeout)
        return [None] * len(batch)


BROKERS: tuple[type[BrokerMutant], ...] = tuple(BrokerMutant.__subclasses__())
"""All of them."""
