"""The contract of a broker: it holds messages, and lends them to consumers that are alive.

The rules, which the conformance suite checks (`tq.testing.BrokerConformance`):

1. A message is at every moment in exactly one place: waiting, delayed, lent to a live consumer, dead, or
   settled. Each move is one atomic operation of the store.
   Why: who dies between two steps leaves a message in no place, or in two.
2. A lease belongs to the consumer, not to the message. While a consumer's heartbeats come, nothing that it
   holds is handed out again, for hours. When they stop for `lease` seconds, all that it held goes back.
   Why: a task may run for hours, and nobody should have to set a timer to the longest of them.
3. A consumer whose lease was taken over is fenced for ever: its settlements return False and change nothing,
   its `receive` raises `LeaseLost`. Ids of consumers are never used twice.
   What a dead consumer ran is charged an attempt; what it only held is not. Its heartbeats say what it runs, and
   the first delivery that a `receive` or `turn` returns counts as running from that moment on, until the next
   heartbeat of that consumer. So a message that kills its worker at once, before any heartbeat, is charged too.
   Why: who was taken for dead may come back and does not know it; and a message that kills has to end, while its
   neighbours are innocent.
4. Times (delays, leases) are measured by the store's clock.
   Why: machines differ about the time, by more than a lease.
5. Everything is in batches, and errors are per item: one bad message does not spoil its neighbours.
   Why: a round trip for each message costs more than most tasks, and a batch holds the calls of many.
6. Every error that leaves a broker is a `tq.BrokerError`, with the password of the URL masked.
   `BrokerUnavailable` means: try again later.
   Why: the core catches this class and no other, and tries again for this one and no other; logs have many readers.
7. What the class declares in `capabilities` it does; what it does not declare the core supplies or refuses.
   Why: workers rely on a flag and leave out their own way of doing it; one that is not true loses messages.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from tq.options import parse_options
from tq.records import Action

if TYPE_CHECKING:
    from tq.contracts.subscription import Subscription
    from tq.records import (
        Channel,
        DeadLetter,
        Delivery,
        Envelope,
        Finding,
        Heartbeat,
        Lock,
        Message,
        Notice,
        Queue,
        QueueStats,
        Revocation,
        Settlement,
    )


class Cap(enum.Flag):
    """What a broker can do by itself."""

    NONE = 0
    DELAY = enum.auto()
    """Keeps a message with `Envelope.delay` until it is due, out of any worker's memory."""
    PRIORITY = enum.auto()
    """Hands out 9 before 0 among what waits in one queue; without a priority counts as 0."""
    LEASE = enum.auto()
    """`heartbeat`, `held` and `release` work from any process that knows the consumer's id, and receipts are
    integers from 0 up."""
    ATTEMPTS = enum.auto()
    """`Delivery.attempt` counts the holders that died. A broker without it says 0, or what it knows for certain."""
    ATOMIC_PUBLISH = enum.auto()
    """`Settlement.publish` and the settlement are one atomic step."""
    DEAD_LETTERS = enum.auto()
    """`dead_letters`, `requeue_dead`, `drop_dead`."""
    STATS = enum.auto()
    """`stats`."""
    PURGE = enum.auto()
    """`purge`."""
    UNIQUE = enum.auto()
    """`Envelope.unique`: a second publish of one task id within a day is a no-op."""
    LOCKS = enum.auto()
    """`Envelope.lock`, `Settlement.unlock` and `unlock`: of tasks with one key, one waits or runs at a time."""
    REVOKE = enum.auto()
    """`revoke` and `revoked`."""
    BROADCAST = enum.auto()
    """`announce` and `subscribe`: messages for those who listen at that moment; remote control and events."""
    DURABLE = enum.auto()
    """What was accepted survives a restart of the process that holds it (as far as the server is set to)."""
    SHARED = enum.auto()
    """Several processes may use one URL."""
    ORDER = enum.auto()
    """Hands out what waits in one queue in the order in which it came, and what was given back at the head. Without
    it the order is about that, and nothing depends on it."""


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For a driver without options of its own."""


class Consumer(ABC):
    """One reader of one or more queues; it belongs to one thread at a time.

    Made by `Broker.consumer`. `id` is unique for ever.
    """

    id: str

    @abstractmethod
    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        """Return up to `limit` deliveries, most urgent first, oldest first; wait up to `wait` seconds for
        the first one, and for no second one.

        The first of them counts as running until a heartbeat says what runs (rule 3), so start that one first.
        Bytes that are no message come as a delivery of `Undecodable`. Returns early and empty after
        `interrupt`. Raises `LeaseLost` where this consumer was declared dead, `BrokerUnavailable` where the
        connection is gone; what was lent stays lent to this consumer across reconnects.
        """

    @abstractmethod
    def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
        """Settle deliveries of this consumer, in any order. False: the lease was lost, nothing was done.

        After `BrokerUnavailable` the caller may pass the same batch again: settlements that took effect
        before the connection broke return True again and have no second effect.
        """

    def turn(
        self, batch: Sequence[Settlement], limit: int, wait: float
    ) -> tuple[Sequence[bool], Sequence[Delivery]]:
        """`settle` and then `receive`; override where the store does both in one round trip."""
        settled = self.settle(batch) if batch else ()
        return settled, self.receive(limit, wait) if limit else ()

    def keep(self, running: Collection[int] = ()) -> None:
        """Extend timers of messages or connections. Called from another thread of the same process about
        every third of the lease, for brokers without `Cap.LEASE`. `running` are receipts, where they are integers,
        of what runs now: should the process die, these are to be charged."""

    @abstractmethod
    def interrupt(self) -> None:
        """Make a waiting `receive` return soon. Called from any thread and from signal handlers; must not
        block or take locks."""

    @abstractmethod
    def close(self) -> None:
        """Hand back at once, uncharged, all that is still held, and end the consumer's life. Never raises
        because the server is gone."""


class Broker(ABC):
    """A connection to a message store. Thread-safe; cheap to make; connects on first use.

    `url` is the full URL including the password; `options` come from `broker_transport_options` and the
    URL's query and are read into `options_type`, so that a misspelt option is an error with a suggestion.
    """

    api_version: ClassVar[int]
    """The version of this contract that the class was written for: 1 now. Each driver states its own."""
    capabilities: ClassVar[Cap] = Cap.NONE
    max_body: ClassVar[int | None] = None
    """Largest message in bytes, None where the store sets no limit that matters."""
    max_delay: ClassVar[float | None] = None
    """Longest native delay in seconds; the core splits longer ones."""
    options_type: ClassVar[type[msgspec.Struct]] = NoOptions

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self.url = url
        self.options: Any = parse_options(self.options_type, url, options or {})

    @abstractmethod
    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        """Put messages into their queues; returns one entry per envelope, None for accepted.

        `Cap.LOCKS`: taking `Envelope.lock` and putting the message are one atomic step. A lock that another owner
        has, and whose time is not over, gives an entry `TaskLocked` and no message; in `Settlement.publish` such
        a message is left out. Its own owner's lock is no obstacle, and counts its seconds from now on.

        Never takes longer than about `timeout` seconds, connecting included. Raises `BrokerUnavailable`
        where the whole batch is in doubt or refused.
        """

    @abstractmethod
    def consumer(self, queues: Sequence[str], consumer_id: str, *, lease: float) -> Consumer:
        """Register a consumer that reads `queues`, in the order given where no priority decides.

        The lease runs from now on; without heartbeats it ends after `lease` seconds. Raises
        `BrokerUnavailable`.
        """

    @abstractmethod
    def close(self) -> None:
        """Close connections. Idempotent; never raises because the server is gone."""

    def declare(self, queues: Sequence[Queue], *, others: Queue) -> None:
        """Remember what `task_queues` says, for when these queues are first used; connects to nothing.

        Called right after `__init__`, and once more in a worker that has a queue of its own. `others` says how queues
        look that are not among them; its name means nothing. For brokers whose queues have to be declared, or that
        route by exchanges.
        """

    def after_fork(self) -> None:
        """Forget connections inherited from the parent process, without touching the parent's sockets."""

    def maintain(self, queues: Sequence[str], *, max_attempts: int = 3) -> Sequence[Delivery]:
        """Do what time asks for: promote due messages, take back what dead consumers held: as `release`
        does, with the `running` of their last heartbeat and the first delivery of each `receive` and `turn`
        since then, those of them that are still held. Called by every worker about each second; many at
        once must be harmless. Returns what it moved to the dead letters."""
        return ()

    def findings(self) -> Sequence[Finding]:
        """What about the server's set-up may lose messages or stop work (for `tq doctor`): its version, its
        persistence, its clock. Nothing of what lies in queues. May take some round trips. Raises `BrokerError`."""
        return ()

    # -- by capability -------------------------------------------------------------------------------------

    def heartbeat(self, beats: Sequence[Heartbeat], *, lease: float) -> Sequence[bool]:
        """`Cap.LEASE`: keep these consumers alive for `lease` more seconds. False: it is dead already.

        `Heartbeat.running` replaces all that counted as running before, also where it is empty."""
        raise NotImplementedError

    def held(self, consumer_id: str, receipts: Sequence[int]) -> Sequence[Delivery]:
        """`Cap.LEASE`: those of these deliveries that the consumer still holds."""
        raise NotImplementedError

    def release(
        self,
        consumer_id: str,
        *,
        running: Sequence[int] = (),
        action: Action = Action.REQUEUE,
        reason: str = "",
        max_attempts: int = 3,
    ) -> Sequence[Delivery]:
        """`Cap.LEASE`: this consumer is known to be dead; give back at once what it held.

        What it held and did not run goes back to the head of its queue, uncharged. For the deliveries in
        `running` (receipts) `action` decides: REQUEUE charges an attempt, and with `max_attempts` used up
        moves them to the dead letters with `reason`; ACK removes them, DEAD moves them to the dead letters
        at once. Returns those that went to the dead letters. The caller knows exactly what ran: what heartbeats
        said before does not count here.
        """
        raise NotImplementedError

    def adopt(self, delivery: Delivery) -> None:
        """Another consumer's delivery, whose end this process stores next in place of that one. For brokers that also
        carry results (`joins`), and have to know whom to send them to."""

    def read_again(self, raw: bytes) -> Message:
        """The message of which a consumer in another process of this worker has `carried` that. For drivers without
        `Cap.LEASE` whose messages are `Arrived` ones of a form of their own."""
        raise NotImplementedError

    def end_run(
        self,
        consumer_id: str,
        delivery: Delivery,
        *,
        action: Action = Action.REQUEUE,
        reason: str = "",
        max_attempts: int = 3,
    ) -> Sequence[Delivery]:
        """Without `Cap.LEASE`: this consumer is dead, or stopped and about to be killed, and this delivery is what it
        ran. `release` for this one alone, as far as the broker can: it may be that others were given it already.

        Called by the process that looks after the consumer's. Does nothing here: then the message comes back when its
        lease is over. Returns what went to the dead letters.
        """
        return ()

    def stats(self, queue: str) -> QueueStats:
        """`Cap.STATS`: what lies in a queue; an unknown queue is an empty one."""
        raise NotImplementedError

    def purge(self, queue: str) -> int:
        """`Cap.PURGE`: remove what waits, not what is lent. Returns how many.

        What is delayed goes too, unless the store cannot tell whose it is: then `stats` says None for it.
        """
        raise NotImplementedError

    def dead_letters(self, queue: str, *, limit: int = 100) -> Sequence[DeadLetter]:
        """`Cap.DEAD_LETTERS`: the newest dead letters of a queue, newest first."""
        raise NotImplementedError

    def requeue_dead(self, queue: str, ids: Sequence[str]) -> int:
        """`Cap.DEAD_LETTERS`: put these back into their queue with no attempts charged; how many were there."""
        raise NotImplementedError

    def drop_dead(self, queue: str, ids: Sequence[str]) -> int:
        """`Cap.DEAD_LETTERS`: remove these for good; how many were there."""
        raise NotImplementedError

    def unlock(self, queue: str, locks: Sequence[Lock]) -> None:
        """`Cap.LOCKS`: end these locks, where they are their owners' still."""
        raise NotImplementedError

    def revoke(self, batch: Sequence[Revocation], *, expires: float) -> None:
        """`Cap.REVOKE`: remember these for `expires` seconds, for all workers, those to come as well."""
        raise NotImplementedError

    def revoked(self, after: int = 0) -> tuple[int, Sequence[Revocation]]:
        """`Cap.REVOKE`: the revocations that were written after version `after` and have not expired, and the
        newest version. With nothing new this is one cheap read: workers ask about each second."""
        raise NotImplementedError

    def announce(self, batch: Sequence[Notice], *, timeout: float) -> Sequence[Exception | None]:
        """`Cap.BROADCAST`: tell those who listen now; returns one entry per notice, None for said.

        Notices of one caller are heard in this order. What nobody listens to is lost, and that is no error. Never
        takes longer than about `timeout` seconds. Raises `BrokerUnavailable` where the batch is in doubt.
        """
        raise NotImplementedError

    def is_heard(self, notice: Notice, *, timeout: float) -> bool:
        """`Cap.BROADCAST`: whether anybody listens to announcements like this, which may be announced to find out.

        True where this broker cannot tell; then nothing is announced. Raises `BrokerUnavailable`, `PublishError`.
        """
        return True

    def subscribe(
        self, channel: Channel, pattern: str = "", *, queue: str = "", ttl: float = 60.0
    ) -> Subscription:
        """`Cap.BROADCAST`: listen; what is announced after this returned is heard.

        `pattern` says what of a topic, and which key of a direct channel; a fanout has none. `queue` is a name for
        brokers that need one for each listener; empty: one of its own. What could not be handed out within `ttl`
        seconds may be lost. Raises `BrokerUnavailable`.
        """
        raise NotImplementedError

    def joins_transaction(self, transaction: object) -> bool:
        """Whether `publish` puts messages into this transaction of the caller's own, while
        `tq.contracts.transactions.own_transaction` names it."""
        return False

    def joins(self, backend: object) -> bool:
        """Whether `Settlement.result` is stored by `settle` itself into that result backend, in one step."""
        return False
