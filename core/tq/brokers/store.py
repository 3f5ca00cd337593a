"""What a memory URL names: queues, delayed messages, dead letters, and who holds what."""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tq.brokers.listeners import Listeners
from tq.records import Action, Delivery, Envelope, Lock, Revocation
from tq.wire.envelope import unpack
from tq.wire.ids import new_id

_DAY = 86400.0
Bell = queue.SimpleQueue[None]
"""Wakes one receive. Its `put` is safe in signal handlers; the `notify` of a condition is not."""


@dataclass(slots=True)
class Parcel:
    """One message, as bytes, and what the store knows of it."""

    raw: bytes
    queue: str
    priority: int
    attempt: int = 1
    order: int = 0
    since: float = 0.0

    def delivery(self, receipt: int) -> Delivery:
        return Delivery(unpack(self.raw), self.queue, receipt, self.attempt, len(self.raw))


@dataclass(slots=True)
class Holder:
    """One consumer that is alive, and what it holds by receipt."""

    queues: tuple[str, ...]
    until: float
    running: frozenset[int] = frozenset()
    """As the last heartbeat said."""
    firsts: frozenset[int] = frozenset()
    """The first of each batch that it received since then."""
    held: dict[int, Parcel] = field(default_factory=dict)
    given: int = 0


@dataclass(slots=True)
class Queue:
    """What lies in one queue."""

    ready: list[tuple[int, int, Parcel]] = field(default_factory=list)
    """A heap: urgency (smaller is more urgent), order of arrival, message."""
    delayed: list[tuple[float, int, Parcel]] = field(default_factory=list)
    """A heap: due at, order of arrival, message."""
    dead: dict[str, tuple[float, str, Parcel]] = field(default_factory=dict)
    """By id, oldest first: died at, reason, message."""


@dataclass(slots=True)
class Store:
    """What one URL names. Every method expects that the caller holds `lock`: that makes each move atomic."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    queues: dict[str, Queue] = field(default_factory=dict)
    holders: dict[str, Holder] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    """Ids of consumers that are no more; they never come back."""
    seen: dict[str, float] = field(default_factory=dict)
    """Ids of unique messages, and when they may come again."""
    locks: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)
    """By queue and key: owner, and when it ends."""
    revocations: dict[str, tuple[int, float, Revocation]] = field(default_factory=dict)
    """By task id: version, expires at, what."""
    version: int = 0
    """Of the newest revocation."""
    listeners: Listeners = field(default_factory=Listeners)
    waiting: set[Bell] = field(default_factory=set)
    arrivals: Iterator[int] = field(default_factory=itertools.count)

    def queue(self, name: str) -> Queue:
        return self.queues.setdefault(name, Queue())

    def put(self, parcel: Parcel, delay: float = 0.0) -> None:
        """Accept a new message: it stands behind all others of its urgency."""
        parcel.order = next(self.arrivals)
        if delay > 0:
            due = time.monotonic() + delay
            heapq.heappush(self.queue(parcel.queue).delayed, (due, parcel.order, parcel))
            self.ring()
        else:
            self.put_back(parcel)

    def put_back(self, parcel: Parcel) -> None:
        """Make ready; with the old order of arrival this is the head of the queue."""
        parcel.since = time.monotonic()
        heapq.heappush(self.queue(parcel.queue).ready, (-parcel.priority, parcel.order, parcel))
        self.ring()

    def accept(self, envelope: Envelope, raw: bytes) -> str:
        """Take a message, unless it was taken before; the owner of the lock that keeps it out, or nothing."""
        task_id = str(envelope.message.headers.get("id")) if envelope.unique else ""
        now = time.monotonic()
        if envelope.unique and self.seen.get(task_id, now) > now:
            return ""
        lock = envelope.lock
        if lock is not None:
            owner, until = self.locks.get((envelope.queue, lock.key), ("", now))
            if until > now and owner != lock.owner:
                return owner
        if envelope.unique:
            self.seen[task_id] = now + _DAY
        if lock is not None:
            self.locks[envelope.queue, lock.key] = (lock.owner, now + lock.seconds)
        self.put(Parcel(raw, envelope.queue, envelope.priority or 0), envelope.delay)
        return ""

    def unlock(self, queue: str, lock: Lock) -> None:
        if self.locks.get((queue, lock.key), ("", 0.0))[0] == lock.owner:
            del self.locks[queue, lock.key]

    def promote(self, names: Sequence[str]) -> None:
        now = time.monotonic()
        for name in names:
            delayed = self.queue(name).delayed
            while delayed and delayed[0][0] <= now:
                self.put(heapq.heappop(delayed)[2])

    def take(self, names: Sequence[str]) -> Parcel | None:
        """The most urgent ready message; among equals the first queue, then the oldest."""
        heads = [(q.ready[0][0], at, q) for at, name in enumerate(names) if (q := self.queue(name)).ready]
        return heapq.heappop(min(heads, key=lambda head: head[:2])[2].ready)[2] if heads else None

    def next_due(self, names: Sequence[str]) -> float:
        return min(
            (q.delayed[0][0] for name in names if (q := self.queue(name)).delayed), default=float("inf")
        )

    def bury(self, parcel: Parcel, reason: str) -> None:
        self.queue(parcel.queue).dead[new_id()] = (time.time(), reason, parcel)

    def end(
        self, consumer_id: str, running: Sequence[int], action: Action, reason: str, max_attempts: int
    ) -> list[Delivery]:
        """Take all from a consumer and fence it for ever; see `Broker.release`."""
        self.ended.add(consumer_id)
        holder = self.holders.pop(consumer_id, None)
        buried = []
        for receipt, parcel in holder.held.items() if holder else ():
            charged = receipt in running
            if not charged or (action is Action.REQUEUE and parcel.attempt < max_attempts):
                parcel.attempt += charged
                self.put_back(parcel)
            elif action is not Action.ACK:
                self.bury(parcel, reason)
                buried.append(parcel.delivery(receipt))
        self.ring()
        return buried

    def revoke(self, revocation: Revocation, until: float) -> None:
        self.version += 1
        self.revocations[revocation.task_id] = (self.version, until, revocation)

    def revoked(self, after: int) -> list[Revocation]:
        now = time.monotonic()
        for task_id in [each for each, (_, until, _) in self.revocations.items() if until <= now]:
            del self.revocations[task_id]
        return [what for version, _, what in self.revocations.values() if version > after]

    def ring(self) -> None:
        """Wake every receive that waits."""
        while self.waiting:
            self.waiting.pop().put(None)
