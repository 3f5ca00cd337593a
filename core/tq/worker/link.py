"""An engine's link to the stores: one consumer that outlives outages, and the order of effects.

The order is written here once: results, then follow-up messages and the settlement (one step of the broker).
A crash between two steps repeats work; it never loses any.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tq import states
from tq.contracts.broker import Broker, Cap, Consumer
from tq.contracts.pool import Seat, StopMode
from tq.contracts.results import ResultBackend
from tq.errors import (
    BackendError,
    BackendUnavailable,
    BrokerError,
    LeaseLost,
    PublishError,
    SerializationError,
)
from tq.options import mask_url
from tq.policy.backoff import reconnect_delays
from tq.policy.broadcast import NO_BROADCASTS, Broadcasts
from tq.records import Action, Delivery, Envelope, Settlement, TaskMeta
from tq.wire.exceptions import exception_document
from tq.worker.chords import Chords
from tq.worker.sureness import is_sure, still_held

logger = logging.getLogger("tq.worker")

LONGEST_PAUSE = 5.0
"""Seconds between two attempts to reach a server, at most."""
_PAUSE = 0.05
_UNWRITABLE = (PublishError, SerializationError, BackendError)
"""Errors that trying again does not help."""


@dataclass(slots=True)
class Stores:
    """Where an engine works: broker, results, queues; `lease` in seconds. Engines that are made later read other
    queues where `queues` was changed; nothing else changes."""

    broker: Broker
    backend: ResultBackend | None
    queues: tuple[str, ...]
    lease: float
    new_consumer_id: Callable[[], str]
    publish_timeout: float = 4.0
    chords: Chords | None = None
    """None where the store of results cannot count."""
    broadcasts: Broadcasts = NO_BROADCASTS

    @property
    def joined(self) -> bool:
        """Whether the broker stores results itself, together with the settlement."""
        return self.backend is not None and self.broker.joins(self.backend)


class Link:
    """One engine's consumer. Outages are waited for with growing pauses until `stop` says to give up."""

    def __init__(self, stores: Stores, on_consumer: Callable[[str], None]) -> None:
        self._stores = stores
        self._on_consumer = on_consumer
        self._consumer: Consumer | None = None
        self._joined = stores.joined
        self._stop: StopMode | None = None
        self.generation = 0
        """Grows with each consumer. Receipts mean something to the consumer that got them alone, so what is
        left of an older one must not be settled any more."""
        self._slow = False
        self._keeps_delays = Cap.DELAY in stores.broker.capabilities
        self._parked: list[tuple[float, int, Delivery]] = []
        self._numbers = itertools.count()
        self.beats_itself = Cap.LEASE not in stores.broker.capabilities
        """This broker's leases are kept by `keep`, not by the worker's heartbeats."""

    # -- from any thread or signal handler --------------------------------------------------------------------

    def stop(self, mode: StopMode) -> None:
        """Wake a waiting `turn`; with COLD stop waiting for servers."""
        self._stop = StopMode(max(mode, self._stop or mode))
        consumer = self._consumer
        if consumer is not None:
            consumer.interrupt()

    def interrupt(self) -> None:
        """Make a waiting `turn` return."""
        consumer = self._consumer
        if consumer is not None:
            consumer.interrupt()

    def keep(self, seats: Iterable[Seat]) -> None:
        """Extend per-message timers where the broker has such, and tell what runs on these seats."""
        consumer = self._consumer
        if consumer is not None:
            consumer.keep([receipt for receipt in (seat.receipt for seat in seats) if receipt >= 0])

    def parked(self) -> list[tuple[float, Delivery]]:
        """What it keeps until it is due, and when that is (monotonic seconds)."""
        return [(due, delivery) for due, _, delivery in self._parked]

    # -- from the engine -----------------------------------------------------------------------------------

    def turn(self, done: Sequence[Settlement], limit: int, wait: float) -> Sequence[Delivery]:
        """Settle `done`, then receive. Returns nothing where it was told to stop meanwhile.

        What is to go back for later, on a broker that keeps no delays, stays here until it is due.
        """
        if not self._keeps_delays:
            done = self._park(done)
            wait = min(wait, max(0.0, self._parked[0][0] - time.monotonic())) if self._parked else wait
        self._store([s.result for s in done if s.result is not None] if not self._joined else ())
        counted = self._counted(done)
        if counted is None:
            return ()
        done = counted
        delays = self._delays()
        failed = unwritable = False
        while True:
            try:
                consumer = self._consumer or self._open()
                if unwritable:
                    done, unwritable = self._isolate(consumer, done), False
                asked = time.monotonic()
                settled, deliveries = consumer.turn(done, limit, 0.0 if self._stop else wait)
            except LeaseLost:
                self._forget(done)
                done = ()
            except _UNWRITABLE as exc:
                logger.error("one of %d settlements cannot be written: %s", len(done), exc)
                unwritable = True
            except BrokerError as exc:
                failed = True
                if not self._pause(exc, next(delays), bool(done)):
                    return ()
            else:
                if failed:
                    logger.warning("connected to %s again", mask_url(self._stores.broker.url))
                if not all(settled):
                    self._warn_late(done, settled)
                self._end_groups(done, settled)
                if deliveries and not self.beats_itself:
                    deliveries = self._sure(consumer, deliveries, asked)
                return [*self._due(limit), *deliveries] if self._parked else deliveries

    def settle(self, done: Sequence[Settlement]) -> Sequence[bool]:
        """Settle now and receive nothing; raises `BrokerError` at once where that fails."""
        if not self._keeps_delays:
            done = self._park(done)
        self._store([s.result for s in done if s.result is not None] if not self._joined else ())
        counted = self._counted(done)
        if self._consumer is None or counted is None:
            return [False] * len(done)
        settled = self._consumer.settle(counted)
        if not all(settled):
            self._warn_late(done, settled)
        self._end_groups(counted, settled)
        return settled

    def acknowledge(self, delivery: Delivery, started: TaskMeta | None) -> bool:
        """Acknowledge a delivery that runs next, and store that it does; False: it must not run.

        While the broker is away it is tried again: whether an attempt took effect, only the next one tells.
        """
        if started is not None and not self._joined:
            self.store(started)
            started = None
        delays = self._delays()
        while True:
            try:
                return all(self.settle([Settlement(delivery, result=started)]))
            except BrokerError as exc:
                logger.warning("a task is not started, for it could not be acknowledged first: %s", exc)
                if not self._pause(exc, next(delays), False):
                    return False

    def store(self, meta: TaskMeta) -> None:
        """Keep one document that nothing depends on (STARTED, progress); a failure is only logged."""
        try:
            if self._stores.backend is not None:
                self._stores.backend.store([meta])
        except BackendError as exc:
            logger.warning("could not store %s of task %s: %s", meta.status, meta.task_id, exc)

    def effects(self, settlement: Settlement) -> None:
        """Result and follow-ups of a delivery that was acknowledged before it ran."""
        self._store([settlement.result] if settlement.result is not None else ())
        counted = self._counted([settlement])
        if counted is None:
            return
        pending = list(counted[0].publish)
        delays = self._delays()
        while pending:
            try:
                pending = self._publish(pending)
            except BrokerError as exc:
                if not self._pause(exc, next(delays), True):
                    return
        self._unlock(settlement)
        self._end_groups(counted, [True])

    def _unlock(self, settlement: Settlement) -> None:
        if settlement.unlock is None:
            return
        try:
            self._stores.broker.unlock(settlement.delivery.queue, [settlement.unlock])
        except BrokerError as exc:
            logger.warning("the lock %r is kept for its time: %s", settlement.unlock.key, exc)

    def close(self) -> None:
        """Give back what is held, and end the consumer."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    # -- parts ---------------------------------------------------------------------------------------------

    def _open(self) -> Consumer:
        stores = self._stores
        consumer_id = stores.new_consumer_id()
        # The supervisor must know the id before anything can be lent to it.
        self._on_consumer(consumer_id)
        self.generation += 1
        self._consumer = stores.broker.consumer(stores.queues, consumer_id, lease=stores.lease)
        return self._consumer

    def _forget(self, done: Sequence[Settlement]) -> None:
        logger.error(
            "consumer %s was declared dead (no heartbeat for %g s); %d finished deliveries were given to others",
            self._consumer.id if self._consumer else "?",
            self._stores.lease,
            len(done),
        )
        self._consumer = None
        self._parked.clear()

    def _sure(self, consumer: Consumer, lent: Sequence[Delivery], asked: float) -> Sequence[Delivery]:
        """Those that are ours still. What came too long after it was asked for is handed back; but a broker to which that
        happens again is slow, and was not just away: it says what is held, or nothing would ever run."""
        lease, again = self._stores.lease, self._slow
        self._slow = not is_sure(asked, lease)
        if not self._slow:
            return lent
        if (held := still_held(self._stores.broker, consumer.id, lent, lease) if again else None) is None:
            self._hand_back(consumer, lent)
        return held or ()

    def _hand_back(self, consumer: Consumer, late: Sequence[Delivery]) -> None:
        """What was lent so long ago that others may have it by now is not started."""
        logger.warning(
            "%s took so long to answer that the lease may be over: %d messages are handed back, and not started",
            mask_url(self._stores.broker.url),
            len(late),
        )
        try:
            consumer.settle([Settlement(delivery, Action.REQUEUE) for delivery in late])
        except BrokerError as exc:
            logger.warning(
                "consumer %s is given up, what it holds goes back with its lease: %s", consumer.id, exc
            )
            self._consumer = None
            self._parked.clear()

    def _park(self, done: Sequence[Settlement]) -> list[Settlement]:
        kept = []
        for settlement in done:
            if settlement.action is Action.REQUEUE and settlement.delay > 0:
                due = time.monotonic() + settlement.delay
                heapq.heappush(self._parked, (due, next(self._numbers), settlement.delivery))
            else:
                kept.append(settlement)
        return kept

    def _due(self, limit: int) -> list[Delivery]:
        now = time.monotonic()
        due: list[Delivery] = []
        while self._parked and len(due) < limit and self._parked[0][0] <= now:
            due.append(heapq.heappop(self._parked)[2])
        return due

    def _isolate(self, consumer: Consumer, done: Sequence[Settlement]) -> list[Settlement]:
        """Settle each alone; those that cannot be written come back as dead letters that say why."""
        dead = []
        for settlement in done:
            try:
                consumer.settle([settlement])
            except _UNWRITABLE as exc:
                reason = f"what the task left cannot be written: {exc}"
                dead.append(
                    Settlement(settlement.delivery, Action.DEAD, reason=reason, unlock=settlement.unlock)
                )
                if settlement.result is not None:
                    self._store([_failed(settlement.result, exc)])
                self._give_up(settlement, exc)
        return dead

    def _give_up(self, settlement: Settlement, exc: Exception) -> None:
        try:
            if self._stores.chords is not None:
                self._stores.chords.give_up(settlement, exc)
        except (BackendError, BrokerError) as error:
            logger.error("a chord whose body cannot be sent is left without an end: %s", error)

    def _publish(self, pending: list[Envelope]) -> list[Envelope]:
        stores = self._stores
        errors = stores.broadcasts.publish(stores.broker, pending, timeout=stores.publish_timeout)
        for error in errors:
            if error is not None:
                logger.error("a follow-up message was refused: %s", error)
        return []

    def _counted(self, done: Sequence[Settlement]) -> Sequence[Settlement] | None:
        """Count the members of chords among `done`, with what follows those that are complete, and announce what is
        for all workers; None: give up."""
        chords, broadcasts = self._stores.chords, self._stores.broadcasts
        delays = self._delays()
        while chords is not None or broadcasts:
            try:
                return self._announced(done if chords is None else chords.settle(done))
            except (BackendUnavailable, BrokerError) as exc:
                if not self._pause(exc, next(delays), True):
                    return None
        return done

    def _announced(self, done: Sequence[Settlement]) -> Sequence[Settlement]:
        done, loud = self._stores.broadcasts.parted(done)
        if loud:
            self._publish(list(loud))
        return done

    def _end_groups(self, done: Sequence[Settlement], settled: Sequence[bool]) -> None:
        if self._stores.chords is not None and done:
            self._stores.chords.end(done, settled)

    def _store(self, metas: Sequence[TaskMeta]) -> None:
        backend = self._stores.backend
        if not metas or backend is None:
            return
        delays = self._delays()
        while True:
            try:
                backend.store(metas)
                return
            except BackendUnavailable as exc:
                if not self._pause(exc, next(delays), True):
                    logger.error("the results of %d tasks were not stored", len(metas))
                    return
            except (BackendError, SerializationError) as exc:
                if len(metas) > 1:
                    for meta in metas:
                        self._store([meta])
                elif metas[0].status == states.FAILURE:
                    logger.error("the failure of task %s cannot be stored: %s", metas[0].task_id, exc)
                else:
                    self._store([_failed(metas[0], exc)])
                return

    def _delays(self) -> Iterator[float]:
        """Pauses between attempts; short leases are for those who cannot wait."""
        return reconnect_delays(maximum=min(LONGEST_PAUSE, self._stores.lease / 2))

    def _pause(self, exc: Exception, seconds: float, must: bool) -> bool:
        """Wait before the next attempt; False: give up."""
        if self._gives_up(must):
            return False
        logger.warning("%s; trying again in %.1f s", exc, seconds)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._gives_up(must):
                return False
            time.sleep(_PAUSE)
        return True

    def _gives_up(self, must: bool) -> bool:
        return self._stop is StopMode.COLD or (self._stop is StopMode.WARM and not must)

    def _warn_late(self, done: Sequence[Settlement], settled: Sequence[bool]) -> None:
        late = sum(not ok for ok in settled)
        logger.warning("%d of %d settlements came too late: the lease was lost", late, len(done))


def _failed(meta: TaskMeta, exc: Exception) -> TaskMeta:
    """The document of a task whose result the store does not take."""
    logger.error("the result of task %s cannot be stored: %s", meta.task_id, exc)
    return TaskMeta(
        meta.task_id,
        states.FAILURE,
        result=exception_document(exc),
        date_done=meta.date_done,
        group_id=meta.group_id,
        parent_id=meta.parent_id,
    )
