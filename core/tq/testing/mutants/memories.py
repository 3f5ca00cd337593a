"""Brokers that are wrong about what they have to remember beside messages: locks and revocations."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tq.brokers.memory import MemoryConsumer
from tq.errors import TaskLocked
from tq.records import Envelope, Lock, Revocation, Settlement
from tq.testing.mutants.brokers import BrokerMutant


class IgnoresLocks(BrokerMutant):
    """Takes each message."""

    caught_by = "test_a_lock_keeps_a_second_message_out_and_says_whose_it_is"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        return super().publish([msgspec.structs.replace(e, lock=None) for e in batch], timeout=timeout)


class NamesTheWrongOwner(BrokerMutant):
    """Says that a message was kept out by itself."""

    caught_by = "test_a_lock_keeps_a_second_message_out_and_says_whose_it_is"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        answer = super().publish(batch, timeout=timeout)
        return [
            TaskLocked("kept out", task_id=str(each.message.headers["id"])) if error else None
            for each, error in zip(batch, answer, strict=True)
        ]


class KeepsLocksForEver(BrokerMutant):
    """Takes a lock for more than its time."""

    caught_by = "test_a_lock_ends_with_its_time"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        return super().publish(
            [
                msgspec.structs.replace(e, lock=e.lock and msgspec.structs.replace(e.lock, seconds=1e9))
                for e in batch
            ],
            timeout=timeout,
        )


class UnlocksForAnybody(BrokerMutant):
    """Ends a lock whoever asks for it."""

    caught_by = "test_a_lock_can_be_ended_by_its_owner_alone"

    def unlock(self, queue: str, locks: Sequence[Lock]) -> None:
        for lock in locks:
            self._store.locks.pop((queue, lock.key), None)


class ForgetsToUnlock(BrokerMutant):
    """Settles, and keeps the lock."""

    caught_by = "test_a_lock_ends_with_the_settlement_that_says_so"

    class consumer_class(MemoryConsumer):
        def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
            return super().settle([msgspec.structs.replace(each, unlock=None) for each in batch])


class UnlocksWithEverySettlement(BrokerMutant):
    """Takes the end of a delivery for the end of its task."""

    caught_by = "test_a_lock_outlives_a_settlement_that_does_not_say_so"

    class consumer_class(MemoryConsumer):
        def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
            self._store.locks.clear()
            return super().settle(batch)


class LocksAllQueues(BrokerMutant):
    """Forgets that a lock is of its queue."""

    caught_by = "test_a_lock_is_of_its_queue_and_of_any_text"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        one = batch[0].queue
        super().publish([msgspec.structs.replace(e, queue=one) for e in batch], timeout=timeout)
        return [
            TaskLocked("kept out", task_id="other") if self._store.locks and e.queue != one else None
            for e in batch
        ]


class RevokesForEver(BrokerMutant):
    """Keeps revocations that have expired."""

    caught_by = "test_a_revocation_expires"

    def revoke(self, batch: Sequence[Revocation], *, expires: float) -> None:
        super().revoke(batch, expires=1e9)


class ShortensRevocations(BrokerMutant):
    """Takes every id for one of its own form."""

    caught_by = "test_a_revocation_of_any_text_is_kept_as_it_is"

    def revoke(self, batch: Sequence[Revocation], *, expires: float) -> None:
        short = [msgspec.structs.replace(each, task_id=each.task_id[:100]) for each in batch]
        super().revoke(short, expires=expires)


class RepeatsRevocations(BrokerMutant):
    """Tells all revocations each time."""

    caught_by = "test_revocations_are_told_once_to_who_asks_with_the_version"

    def revoked(self, after: int = 0) -> tuple[int, Sequence[Revocation]]:
        return super().revoked(0)


MEMORIES: tuple[type[BrokerMutant], ...] = tuple(
    each for each in BrokerMutant.__subclasses__() if each.__module__ == __name__
)
"""All of them."""
