"""Brokers that hand out wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from tq.brokers.memory import MemoryConsumer
from tq.contracts.broker import Consumer
from tq.records import Delivery
from tq.testing.mutants.brokers.mutant import BrokerMutant


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
