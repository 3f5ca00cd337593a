"""The memory broker: the contract's rules in their plainest form, for tests and for reading.

`memory://NAME` names a store of this process; every `MemoryBroker` of one name shares it (`memory://` is a
name too). A store lives until `MemoryBroker.reset()`: closing a broker ends a connection, as everywhere,
and keeps the messages. A forked child starts with empty stores. Messages lie in the store as bytes, so they
take the same way through `tq.wire.envelope` as on a server.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tq.brokers.listeners import MemorySubscription
from tq.brokers.store import Bell, Holder, Parcel, Store
from tq.contracts.broker import Broker, Cap, Consumer
from tq.contracts.subscription import Subscription
from tq.errors import BrokerError, EncodeError, LeaseLost, PublishError
from tq.records import (
    Action,
    Channel,
    DeadLetter,
    Delivery,
    Envelope,
    Heartbeat,
    Lock,
    Notice,
    QueueStats,
    Revocation,
    Settlement,
)
from tq.wire.envelope import pack, pack_notice, unpack
from tq.wire.locks import locked


class MemoryConsumer(Consumer):
    """A reader of one store. Receipts count from 0 for each consumer."""

    def __init__(self, store: Store, queues: Sequence[str], consumer_id: str) -> None:
        self.id = consumer_id
        self._store = store
        self._queues = tuple(dict.fromkeys(queues))
        self._bell: Bell = queue.SimpleQueue()
        self._interrupted = False

    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        until = time.monotonic() + wait
        while True:
            if self._interrupted:
                self._interrupted = False
                return ()
            with self._store.lock:
                taken = self._take(limit)
                pause = min(until, self._store.next_due(self._queues)) - time.monotonic()
                if taken or time.monotonic() >= until:
                    return taken
                self._store.waiting.add(self._bell)
            self._sleep(pause)

    def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
        follow_ups = [[(e, _pack(e)) for e in settlement.publish] for settlement in batch]
        with self._store.lock:
            return [self._settle(s, packed) for s, packed in zip(batch, follow_ups, strict=True)]

    def interrupt(self) -> None:
        self._interrupted = True
        self._bell.put(None)

    def close(self) -> None:
        with self._store.lock:
            self._store.end(self.id, (), Action.REQUEUE, "", 0)

    def _take(self, limit: int) -> list[Delivery]:
        holder = self._store.holders.get(self.id)
        if holder is None:
            raise LeaseLost(f"consumer {self.id} was declared dead, and what it held was given to others")
        self._store.promote(self._queues)
        taken: list[Delivery] = []
        while len(taken) < limit and (parcel := self._store.take(self._queues)):
            holder.held[holder.given] = parcel
            taken.append(parcel.delivery(holder.given))
            holder.given += 1
        if taken:
            still = (receipt for receipt in holder.firsts if receipt in holder.held)
            holder.firsts = frozenset((*still, int(taken[0].receipt)))
        return taken

    def _sleep(self, pause: float) -> None:
        try:
            self._bell.get(timeout=max(pause, 0.0))
        except queue.Empty:
            return

    def _settle(self, settlement: Settlement, follow_ups: list[tuple[Envelope, bytes]]) -> bool:
        holder = self._store.holders.get(self.id)
        receipt = int(settlement.delivery.receipt)
        if holder is None or receipt >= holder.given:
            return False
        parcel = holder.held.pop(receipt, None)
        if parcel is None:
            # Only this consumer itself can have settled it, since nobody took its lease: a repeat.
            return True
        for envelope, raw in follow_ups:
            self._store.accept(envelope, raw)
        if settlement.unlock is not None:
            self._store.unlock(settlement.delivery.queue, settlement.unlock)
        if settlement.action is Action.DEAD:
            self._store.bury(parcel, settlement.reason)
        elif settlement.action is Action.REQUEUE and settlement.delay > 0:
            self._store.put(parcel, settlement.delay)
        elif settlement.action is Action.REQUEUE:
            self._store.put_back(parcel)
        return True


class MemoryBroker(Broker):
    """Messages in this process's memory; see the module's text."""

    api_version: ClassVar[int] = 1
    capabilities = (
        Cap.DELAY
        | Cap.ORDER
        | Cap.PRIORITY
        | Cap.LEASE
        | Cap.ATTEMPTS
        | Cap.ATOMIC_PUBLISH
        | Cap.DEAD_LETTERS
        | Cap.STATS
        | Cap.PURGE
        | Cap.UNIQUE
        | Cap.LOCKS
        | Cap.REVOKE
        | Cap.BROADCAST
    )
    consumer_class: ClassVar[type[MemoryConsumer]] = MemoryConsumer
    subscription_class: ClassVar[type[MemorySubscription]] = MemorySubscription
    _stores: ClassVar[dict[str, Store]] = {}

    def __init__(self, url: str = "memory://", options: Mapping[str, Any] | None = None) -> None:
        super().__init__(url, options)
        self._name = url.partition("://")[2].partition("?")[0]
        self._store = self._stores.setdefault(self._name, Store())

    @classmethod
    def reset(cls, name: str | None = None) -> None:
        """Forget the store of this name, or all of them. Brokers that are open keep what they had."""
        for each in [name] if name is not None else list(cls._stores):
            cls._stores.pop(each, None)

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        return [self._publish(envelope) for envelope in batch]

    def consumer(self, queues: Sequence[str], consumer_id: str, *, lease: float) -> Consumer:
        with self._store.lock:
            if consumer_id in self._store.holders or consumer_id in self._store.ended:
                raise BrokerError(
                    f"consumer id {consumer_id!r} was used before; take a new one", url=self.url
                )
            self._store.holders[consumer_id] = Holder(tuple(queues), time.monotonic() + lease)
        return self.consumer_class(self._store, queues, consumer_id)

    def close(self) -> None:
        """There is no connection to close."""

    def after_fork(self) -> None:
        # The parent's lock may be held by a thread that does not exist here, and the memory is no longer shared.
        self._store = type(self)._stores[self._name] = Store()

    def maintain(self, queues: Sequence[str], *, max_attempts: int = 3) -> Sequence[Delivery]:
        with self._store.lock:
            self._store.promote(queues)
            now = time.monotonic()
            lost = [(name, h) for name, h in self._store.holders.items() if h.until <= now]
            return [
                delivery
                for name, holder in lost
                for delivery in self._store.end(
                    name,
                    tuple(holder.running | holder.firsts),
                    Action.REQUEUE,
                    f"consumer {name} died while running it, the last of {max_attempts} attempts",
                    max_attempts,
                )
            ]

    def heartbeat(self, beats: Sequence[Heartbeat], *, lease: float) -> Sequence[bool]:
        with self._store.lock:
            return [self._beat(beat, time.monotonic() + lease) for beat in beats]

    def held(self, consumer_id: str, receipts: Sequence[int]) -> Sequence[Delivery]:
        with self._store.lock:
            holder = self._store.holders.get(consumer_id)
            held = holder.held if holder else {}
            return [held[receipt].delivery(receipt) for receipt in receipts if receipt in held]

    def release(
        self,
        consumer_id: str,
        *,
        running: Sequence[int] = (),
        action: Action = Action.REQUEUE,
        reason: str = "",
        max_attempts: int = 3,
    ) -> Sequence[Delivery]:
        with self._store.lock:
            return self._store.end(consumer_id, running, action, reason, max_attempts)

    def stats(self, queue: str) -> QueueStats:
        with self._store.lock:
            self._store.promote([queue])
            found, holders = self._store.queue(queue), self._store.holders.values()
            oldest = min((parcel.since for _, _, parcel in found.ready), default=None)
            return QueueStats(
                queue,
                ready=len(found.ready),
                delayed=len(found.delayed),
                in_flight=sum(parcel.queue == queue for holder in holders for parcel in holder.held.values()),
                dead=len(found.dead),
                oldest_age=None if oldest is None else time.monotonic() - oldest,
                consumers=sum(queue in holder.queues for holder in holders),
            )

    def purge(self, queue: str) -> int:
        with self._store.lock:
            found = self._store.queue(queue)
            count = len(found.ready) + len(found.delayed)
            found.ready.clear()
            found.delayed.clear()
            return count

    def dead_letters(self, queue: str, *, limit: int = 100) -> Sequence[DeadLetter]:
        with self._store.lock:
            newest = list(reversed(self._store.queue(queue).dead.items()))[:limit]
            return [
                DeadLetter(dead_id, queue, reason, died_at, unpack(parcel.raw), parcel.attempt)
                for dead_id, (died_at, reason, parcel) in newest
            ]

    def requeue_dead(self, queue: str, ids: Sequence[str]) -> int:
        with self._store.lock:
            found = self._remove_dead(queue, ids)
            for parcel in found:
                parcel.attempt = 1
                self._store.put(parcel)
            return len(found)

    def drop_dead(self, queue: str, ids: Sequence[str]) -> int:
        with self._store.lock:
            return len(self._remove_dead(queue, ids))

    def unlock(self, queue: str, locks: Sequence[Lock]) -> None:
        with self._store.lock:
            for lock in locks:
                self._store.unlock(queue, lock)

    def revoke(self, batch: Sequence[Revocation], *, expires: float) -> None:
        with self._store.lock:
            for revocation in batch:
                self._store.revoke(revocation, time.monotonic() + expires)

    def revoked(self, after: int = 0) -> tuple[int, Sequence[Revocation]]:
        with self._store.lock:
            return self._store.version, self._store.revoked(after)

    def announce(self, batch: Sequence[Notice], *, timeout: float) -> Sequence[Exception | None]:
        return [self._announce(notice) for notice in batch]

    def is_heard(self, notice: Notice, *, timeout: float) -> bool:
        with self._store.lock:
            return self._store.listeners.any_hears(notice)

    def subscribe(
        self, channel: Channel, pattern: str = "", *, queue: str = "", ttl: float = 60.0
    ) -> Subscription:
        store = self._store
        with store.lock:
            ear = store.listeners.join(channel, pattern)

        def leave() -> None:
            with store.lock:
                store.listeners.leave(channel, ear)

        return self.subscription_class(ear, leave)

    def put_raw(self, queue: str, raw: bytes) -> None:
        """Put bytes into a queue as they are, as a foreign program might; for tests."""
        with self._store.lock:
            self._store.put(Parcel(raw, queue, 0))

    def _publish(self, envelope: Envelope) -> Exception | None:
        try:
            raw = _pack(envelope)
        except PublishError as exc:
            return exc
        with self._store.lock:
            owner = self._store.accept(envelope, raw)
        return locked(envelope, owner, self.url) if owner else None

    def _announce(self, notice: Notice) -> Exception | None:
        try:
            raw = pack_notice(notice)
        except EncodeError as exc:
            return PublishError(str(exc), url=self.url)
        with self._store.lock:
            self._store.listeners.tell(notice, raw)
        return None

    def _beat(self, beat: Heartbeat, until: float) -> bool:
        holder = self._store.holders.get(beat.consumer_id)
        if holder is None:
            return False
        holder.until, holder.running, holder.firsts = until, frozenset(beat.running), frozenset()
        return True

    def _remove_dead(self, queue: str, ids: Sequence[str]) -> list[Parcel]:
        dead = self._store.queue(queue).dead
        return [dead.pop(dead_id)[2] for dead_id in dict.fromkeys(ids) if dead_id in dead]


def _pack(envelope: Envelope) -> bytes:
    try:
        return pack(envelope)
    except EncodeError as exc:
        raise PublishError(f"cannot publish to queue {envelope.queue!r}: {exc}") from exc
