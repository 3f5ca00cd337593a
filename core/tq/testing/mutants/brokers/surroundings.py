"""Brokers whose capabilities, dead letters and purges are wrong."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tq.brokers.memory import MemoryBroker
from tq.contracts.broker import Broker, Cap
from tq.records import DeadLetter, Envelope, QueueStats
from tq.testing.mutants.brokers.mutant import BrokerMutant


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
