"""The engine that runs one body at a time, on the thread that calls `run` (solo, and each prefork child).

A turn is one round trip: it settles what the last batch finished and receives the next one. A helper thread
watches for a body that takes long: then what waits behind it goes back to the queue, and what is finished is
settled, so that nothing ever waits for a slow neighbour.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tq import states
from tq.contracts.pool import ColdStop, Pulse, Seat, StopMode
from tq.errors import BrokerError, SoftTimeLimitExceeded
from tq.policy.batch import LARGEST, BatchSize
from tq.records import Action, Delivery, Settlement
from tq.worker import early
from tq.worker.alarm import Alarm
from tq.worker.documents import started_document
from tq.worker.execute import Executor
from tq.worker.link import Link, Stores
from tq.worker.outcome import GIVEN_BACK, Outcome
from tq.worker.run import Run, TimeLimits

T = TypeVar("T")
logger = logging.getLogger("tq.worker")

PATIENCE = 0.03
"""Seconds that unstarted deliveries wait behind a body before they go back."""
IDLE_WAIT = 5.0
"""Seconds that an engine waits for messages at once; half a lease, where that is shorter."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Worker-wide defaults, seconds; a task's own and a message's own come first."""

    soft_time_limit: float | None = None
    time_limit: float | None = None

    def of(self, run: Run) -> TimeLimits:
        """The limits of one run."""
        plan, call = run.plan, run.call
        assert plan is not None
        assert call is not None
        return (
            call.soft_time_limit or plan.soft_time_limit or self.soft_time_limit,
            call.time_limit or plan.time_limit or self.time_limit,
        )


NO_WORKER_LIMITS = Limits()


class InlineEngine:
    """See the module's text. `max_tasks`: return by itself after that many bodies."""

    def __init__(
        self,
        stores: Stores,
        executor: Executor,
        seat: Seat,
        *,
        limits: Limits = NO_WORKER_LIMITS,
        max_tasks: int | None = None,
        largest_batch: int = LARGEST,
    ) -> None:
        self._executor = executor
        self._seat = seat
        self._come_round = seat.come_round if isinstance(seat, Pulse) else _unwatched
        self._limits = limits
        self._link = Link(stores, self._seat_taken)
        self._lease = stores.lease
        self._idle_wait = min(IDLE_WAIT, stores.lease / 2)
        self._left = max_tasks
        self._size = BatchSize(largest=largest_batch)
        self._todo: deque[Delivery] = deque()
        self._done: deque[Settlement] = deque()
        self._access = threading.Lock()
        self._busy = threading.Event()
        self._stop: StopMode | None = None
        self._thread = 0
        self._in_body = False
        self._run: Run | None = None
        self._noted: frozenset[int | str] = frozenset()

    def run(self) -> None:
        """Work until stopped or until `max_tasks` bodies ran."""
        self._thread = threading.get_ident()
        self._alarm = Alarm()
        ended = threading.Event()
        helper = threading.Thread(target=self._relieve, args=(ended,), name="tq-relief", daemon=True)
        helper.start()
        try:
            while self._stop is None and self._left != 0:
                self._work(self._next_batch())
            self._end()
        finally:
            ended.set()
            self._busy.set()

    def stop(self, mode: StopMode) -> None:
        """Stop after the body that runs (WARM), or interrupt it (COLD, if called on its thread)."""
        self._stop = StopMode(max(mode, self._stop or mode))
        self._link.stop(mode)
        if mode == StopMode.COLD and self._in_body and threading.get_ident() == self._thread:
            raise ColdStop

    # -- see `tq.worker.answers.Looked` ----------------------------------------------------------------------

    def runs(self) -> Sequence[Run]:
        """What runs."""
        run = self._run
        return [] if run is None else [run]

    def waiting(self) -> Iterable[Delivery]:
        """What is behind it."""
        return self._todo

    def parked(self) -> Sequence[tuple[float, Delivery]]:
        """What is not due yet."""
        return self._link.parked()

    # -- the loop ------------------------------------------------------------------------------------------

    def _next_batch(self) -> int:
        limit = self._size.limit if self._left is None else min(self._size.limit, self._left)
        self._busy.clear()
        self._come_round()
        if self._executor.watch is not None:
            self._executor.watch.pause()
        with self._access:
            # Inside: what the helper could not settle must go with the consumer that received it.
            received = self._link.turn(drain(self._done), limit, self._idle_wait)
        self._todo.extend(received)
        if received:
            self._busy.set()
        return len(received)

    def _work(self, received: int) -> None:
        if not received:
            return
        if self._executor.revocations is not None:
            self._executor.revocations.refresh()
        if self._executor.refresh is not None:
            self._executor.refresh()
        began = time.monotonic()
        ran = 0
        suspect = False
        self._noted = frozenset()
        while self._stop is None and not suspect:
            try:
                delivery = self._todo.popleft()
            except IndexError:
                break
            suspect = delivery.attempt > 1
            if suspect and ran:
                self._todo.appendleft(delivery)
            else:
                self._one(delivery)
                ran += 1
        self._size.observe(ran, time.monotonic() - began)
        if suspect:
            self._part()

    def _part(self) -> None:
        """The holder of a delivery died: it runs as the first of a batch, and is settled before its neighbours
        start. So another crash charges the one that caused it, and not what ran before."""
        self._done.extend(Settlement(delivery, Action.REQUEUE) for delivery in drain(self._todo))
        self._size.restart()

    def _one(self, delivery: Delivery) -> None:
        run = self._executor.admit(delivery)
        if run.outcome is not None:
            self._done.append(self._executor.conclude(run))
            return
        if self._left is not None:
            self._left -= 1
        if run.plan.acks_late:  # type: ignore[union-attr]
            if self._link.beats_itself and delivery.receipt not in self._noted:
                # Nobody could ask this broker what was running here.
                self._noted = early.note_all(self._seat, [delivery, *self._todo], held=True)
            self._perform(run)
            self._done.append(self._executor.conclude(run))
        elif self._acknowledged(run):
            self._perform(run)
            early.ended(run)
            self._link.effects(self._executor.conclude(run))
            early.erase(self._seat)
        else:
            early.erase(self._seat)
            self._done.append(Settlement(delivery, Action.REQUEUE))

    def _perform(self, run: Run) -> None:
        if run.plan.track_started and run.plan.acks_late:  # type: ignore[union-attr]
            self._link.store(started_document(run, self._executor.hostname, os.getpid()))
        run.started = time.monotonic()
        self._run = run
        self._in_body = True
        try:
            self._executor.perform(run, self._seat, self._limits.of(run), self._alarm)
        except SoftTimeLimitExceeded as exc:
            run.outcome = Outcome(states.FAILURE, exc)
        except ColdStop:
            run.outcome = run.outcome or GIVEN_BACK
        finally:
            self._in_body = False
            self._run = None

    def _acknowledged(self, run: Run) -> bool:
        """Acknowledge before the body runs (`acks_late=False`: at most once); False: do not run it."""
        asks = self._link.beats_itself
        self._noted = frozenset()
        early.note(self._seat, run.delivery, held=asks)
        with self._access:
            done = self._link.acknowledge(run.delivery, self._executor.starting(run, os.getpid()))
        if done and asks:
            early.note(self._seat, run.delivery)
        return done

    def _end(self) -> None:
        """Settle what is finished, give back the rest."""
        with self._access:
            rest = [Settlement(delivery, Action.REQUEUE) for delivery in drain(self._todo)]
            done = drain(self._done) + rest
            if done:
                self._link.turn(done, 0, 0.0)
            self._link.close()

    # -- the helper thread ---------------------------------------------------------------------------------

    def _relieve(self, ended: threading.Event) -> None:
        seen = 0.0
        kept = time.monotonic()
        while not ended.is_set():
            self._busy.wait(self._lease / 3 if self._link.beats_itself else None)
            ended.wait(PATIENCE)
            started = self._seat.started
            if self._seat.receipt >= 0 and started == seen and (self._todo or self._done):
                self._give_back()
            seen = started
            if self._link.beats_itself and time.monotonic() - kept > self._lease / 3:
                kept = time.monotonic()
                self._keep()

    def _give_back(self) -> None:
        with self._access:
            rest = [Settlement(delivery, Action.REQUEUE) for delivery in drain(self._todo)]
            batch = drain(self._done) + rest
            try:
                if batch:
                    self._link.settle(batch)
            except BrokerError as exc:
                logger.warning("could not give back %d deliveries yet: %s", len(rest), exc)
                self._done.extend(batch)

    def _keep(self) -> None:
        try:
            self._link.keep([self._seat])
        except BrokerError as exc:
            logger.warning("could not extend the lease: %s", exc)

    def _seat_taken(self, consumer_id: str) -> None:
        self._seat.consumer_id = consumer_id


def _unwatched() -> None:
    """In place of `Pulse.come_round` where a seat has none."""


def drain(items: deque[T]) -> list[T]:
    """Take all; another thread may add at the same time."""
    taken = []
    while items:
        taken.append(items.popleft())
    return taken
