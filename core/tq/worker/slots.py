"""The engine that runs several bodies at once through the pool's `spawn` (threads, greenlets, a loop).

One thread receives, admits and settles. What is admitted and has no seat yet is ready: the thread or loop on which a
body ends starts the next one at once, and wakes the engine when few are left or a seat is free. So a body that
ends costs no change of threads, and settlements of bodies that end together travel together.

The first body of a fresh engine, and each one whose last holder died, begins alone: the first of a batch, and
nothing else is started before it has ended or a heartbeat has named it. So when it ends the process at once, the
broker charges the right one.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence

from tq import states
from tq.contracts.pool import Seat, Spawn, StopMode
from tq.errors import BrokerError
from tq.policy.batch import BatchSize
from tq.records import Action, Delivery, Settlement
from tq.worker import early
from tq.worker.documents import started_document
from tq.worker.engine import IDLE_WAIT, NO_WORKER_LIMITS, PATIENCE, Limits, drain
from tq.worker.execute import Executor
from tq.worker.link import Link, Stores
from tq.worker.outcome import Outcome
from tq.worker.plan import TaskPlan
from tq.worker.run import Run, TimeLimits

logger = logging.getLogger("tq.worker")

_ADMITTED_TOGETHER = 32
"""Deliveries that are read before the first of them start."""
ALONE = 1.0
"""Seconds that a suspect runs alone, at most: until the next heartbeat, which names it; less with short leases."""


class SlotJob:
    """One admitted delivery on its seat; see `tq.contracts.pool.Job`."""

    __slots__ = (
        "_engine",
        "_limits",
        "generation",
        "is_coroutine",
        "needs_stores",
        "record",
        "seat",
        "soft_time_limit",
    )

    seat: Seat
    """Where it runs, from its start on."""

    def __init__(self, engine: SlotsEngine, record: Run, plan: TaskPlan, limits: TimeLimits) -> None:
        self._engine = engine
        self._limits = limits
        self.generation = engine.generation
        self.record = record
        self.soft_time_limit = limits[0]
        self.is_coroutine = plan.is_coroutine
        self.needs_stores = plan.track_started or not plan.acks_late
        """Whether something must be stored before it runs: then the engine's own thread starts it."""

    def revoke(self) -> None:
        """What ends the body by force from now on is a revocation."""
        self.record.revoked = True

    def run(self) -> None:
        """Run the body on this thread."""
        if self.is_coroutine:  # which may have waited for its turn, see `tq.pools.green`
            self.record.started = time.monotonic()
        try:
            self._engine.executor.perform(self.record, self.seat, self._limits)
        finally:
            self._engine.finished(self)

    async def arun(self) -> None:
        """Run the coroutine body on the running loop."""
        try:
            engine = self._engine
            await engine.executor.aperform(self.record, self.seat, self._limits, lambda: engine.is_over)
        finally:
            self._engine.finished(self)


class SlotsEngine:
    """See the module's text."""

    def __init__(
        self,
        stores: Stores,
        executor: Executor,
        seats: Sequence[Seat],
        spawn: Spawn,
        *,
        limits: Limits = NO_WORKER_LIMITS,
        largest_batch: int | None = None,
    ) -> None:
        self.executor = executor
        self._seats = seats
        self._spawn = spawn
        self._limits = limits
        self._link = Link(stores, self._seats_taken)
        self._keep_every = stores.lease / 3
        self._idle_wait = min(IDLE_WAIT, stores.lease / 2)
        self._kept = time.monotonic()
        self._size = BatchSize(slots=len(seats), largest=largest_batch)
        self._free: deque[Seat] = deque(seats)
        self._backlog: deque[Delivery] = deque()
        self._ready: deque[SlotJob] = deque()
        self._low = 0
        """So few that are ready are a reason to receive more."""
        self._seating = threading.Lock()
        """Held while a seat changes hands: between a body's end and the next one's start nobody may see it empty."""
        self._running: dict[Seat, SlotJob] = {}
        self._done: deque[tuple[int, Settlement]] = deque()
        self._times: deque[float] = deque()
        self._freed: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._waits = False
        """Whether it may wait for messages: an answer that comes at once needs nobody to hurry it."""
        self._fresh = True
        self._first: Delivery | None = None
        """The first of the last batch."""
        self._suspect: SlotJob | None = None
        self._alone = min(ALONE, stores.lease / 6)
        self._alone_until = 0.0
        self.generation = 0
        self._stop: StopMode | None = None
        self.is_over = False

    def run(self) -> None:
        """Work until stopped."""
        try:
            while self._stop is None:
                self._start_bodies()
                self._keep()
                if self._free and not self._is_alone():
                    self._receive()
                else:
                    self._wait_for_a_seat()
            self._end()
        finally:
            self.is_over = True

    def stop(self, mode: StopMode) -> None:
        """Receive no more; WARM waits for running bodies, COLD gives them back."""
        self._stop = StopMode(max(mode, self._stop or mode))
        self._link.stop(mode)

    # -- see `tq.worker.answers.Looked` ----------------------------------------------------------------------

    def runs(self) -> Iterable[Run]:
        """What runs."""
        return (job.record for job in self._running.values())

    def waiting(self) -> Iterable[Delivery]:
        """What waits for a seat."""
        return [*(job.record.delivery for job in self._ready.copy()), *self._backlog]

    def parked(self) -> Sequence[tuple[float, Delivery]]:
        """What is not due yet."""
        return self._link.parked()

    # -- the loop ------------------------------------------------------------------------------------------

    def _receive(self) -> None:
        self._observe()
        wanted = self._size.limit - len(self._running) - len(self._ready)
        limit = 1 if self._fresh else max(len(self._free), wanted)
        if limit <= 0:
            return
        wait = self._idle_wait if self._free and not self._backlog else 0.0
        self._waits = wait > 0.0
        received = self._link.turn(self._settlements(), limit, wait)
        self._waits = False
        if self._link.generation != self.generation:
            # What an older consumer held was given to others.
            self._unstarted()
            self.generation = self._link.generation
        self._first = received[0] if received and not self._backlog else None
        self._backlog.extend(received)

    def _wait_for_a_seat(self) -> None:
        try:
            self._freed.get(timeout=PATIENCE)
        except queue.Empty:
            self._give_back()
            self._pause()
        while not self._freed.empty():
            self._freed.get()
        if not (self._free or self._backlog or self._stop or self._is_alone()):
            self._receive()

    def _pause(self) -> None:
        """All seats are taken by long bodies: sleep until one ends, or a stop has to be noticed."""
        while self._stop is None and not self._free:
            try:
                self._freed.get(timeout=0.25)
                return
            except queue.Empty:
                self._keep()

    def _start_bodies(self) -> None:
        if self._backlog and self.executor.revocations is not None:
            self.executor.revocations.refresh()
        if self._backlog and self.executor.refresh is not None:
            self.executor.refresh()
        self._fill_seats()
        while self._backlog and self._stop is None:
            for _ in range(_ADMITTED_TOGETHER):
                if not self._backlog or not self._admit_next():
                    break
            else:
                self._fill_seats()
                continue
            break
        self._fill_seats()
        self._low = len(self._ready) // 2

    def _admit_next(self) -> bool:
        """Make the next delivery ready, or end it without a run; False: nothing else is to be started now."""
        delivery = self._backlog[0]
        suspect = self._fresh or delivery.attempt > 1
        if suspect and delivery is not self._first:
            self._part(drain(self._backlog))  # It comes again, as the first.
            return False
        if suspect and not self._free:
            return False
        self._backlog.popleft()
        if suspect:
            self._part(self._unstarted())
        run = self.executor.admit(delivery)
        if run.outcome is not None:
            self._done.append((self.generation, self.executor.conclude(run)))
            job = None
        else:
            job = SlotJob(self, run, run.plan, self._limits.of(run))  # type: ignore[arg-type]
            self._ready.append(job)
        if suspect:
            self._fresh = False
            self._suspect, self._alone_until = job, time.monotonic() + self._alone
        return not suspect

    def _fill_seats(self) -> None:
        """Start what is ready, as far as there are seats."""
        while (job := self._seated()) is not None:
            plan = job.record.plan
            if plan.acks_late and plan.track_started:  # type: ignore[union-attr]
                self._link.store(started_document(job.record, self.executor.hostname, os.getpid()))
            if plan.acks_late or self._acknowledged(job):  # type: ignore[union-attr]
                self._spawn(job, job.seat)

    def _seated(self) -> SlotJob | None:
        with self._seating:
            if not (self._ready and self._free):
                return None
            job = self._ready.popleft()
            self._seat(job, self._free.popleft())
            return job

    def _seat(self, job: SlotJob, seat: Seat) -> None:
        job.seat = seat
        job.record.started = time.monotonic()
        self._running[seat] = job

    def _acknowledged(self, job: SlotJob) -> bool:
        """Acknowledge before the body runs (`acks_late=False`); without that it goes back."""
        run = job.record
        if self._link.acknowledge(run.delivery, self.executor.starting(run, os.getpid())):
            run.started = time.monotonic()
            return True
        back = Run(run.delivery, run.call, run.plan, outcome=Outcome(states.IGNORED, requeue=True))
        with self._seating:
            del self._running[job.seat]
            self._free.append(job.seat)
            self._done.append((self.generation, self.executor.conclude(back)))
        return False

    def _part(self, others: Sequence[Delivery]) -> None:
        """Give back what came with a suspect, at once; it is not to suffer with it."""
        self._done.extend((self.generation, Settlement(each, Action.REQUEUE)) for each in others)
        self._size.restart()

    def _unstarted(self) -> list[Delivery]:
        """Take all that has no seat."""
        with self._seating:
            ready = drain(self._ready)
        return [*(job.record.delivery for job in ready), *drain(self._backlog)]

    def _is_alone(self) -> bool:
        job = self._suspect
        if job is None or self._running.get(job.seat) is not job or time.monotonic() > self._alone_until:
            self._suspect = None
        return self._suspect is not None

    # -- the end of a body, on its own thread ----------------------------------------------------------------

    def finished(self, job: SlotJob) -> None:
        """A body ended; called on the thread or loop that ran it."""
        run = job.record
        if not run.plan.acks_late:  # type: ignore[union-attr]
            early.ended(run)
        settlement = self.executor.conclude(run)
        late = run.plan.acks_late  # type: ignore[union-attr]
        self._times.append(time.monotonic() - run.started)
        with self._seating:
            if self._running.pop(job.seat, None) is not job:
                return  # It was given back by a cold stop.
            if late:
                self._done.append((job.generation, settlement))
                following = self._follow(job.seat)
        if not late:
            self._link.effects(settlement)
            with self._seating:
                following = self._follow(job.seat)
        if following is not None:
            self._spawn(following, job.seat)
        if following is None or len(self._ready) == self._low:
            self._freed.put(None)
        if self._waits:
            self._link.interrupt()

    def _follow(self, seat: Seat) -> SlotJob | None:
        """Give the seat to what is ready; None: it is free."""
        if self._ready and self._stop is None and not self._ready[0].needs_stores:
            job = self._ready.popleft()
            self._seat(job, seat)
            return job
        self._free.append(seat)
        return None

    # -- parts ---------------------------------------------------------------------------------------------

    def _settlements(self) -> list[Settlement]:
        """What is done, without what an older consumer received."""
        now = self._link.generation
        return [settlement for generation, settlement in drain(self._done) if generation == now]

    def _observe(self) -> None:
        times = drain(self._times)
        if times:
            self._size.observe(len(times), sum(times))

    def _give_back(self) -> None:
        rest = [Settlement(delivery, Action.REQUEUE) for delivery in self._unstarted()]
        batch = self._settlements() + rest
        try:
            if batch:
                self._link.settle(batch)
        except BrokerError as exc:
            logger.warning("could not give back %d deliveries yet: %s", len(rest), exc)
            self._done.extend((self.generation, settlement) for settlement in batch)

    def _keep(self) -> None:
        if self._link.beats_itself and time.monotonic() - self._kept > self._keep_every:
            self._kept = time.monotonic()
            try:
                self._link.keep(self._seats)
            except BrokerError as exc:
                logger.warning("could not extend the lease: %s", exc)

    def _end(self) -> None:
        self._settle_last([Settlement(delivery, Action.REQUEUE) for delivery in self._unstarted()])
        while self._runs_on() and self._stop is not StopMode.COLD:
            try:
                self._freed.get(timeout=0.1)
            except queue.Empty:
                self._keep()
            self._settle_last([])
        abandoned = []
        for seat in list(self._running):
            job = self._running.pop(seat, None)
            if job is None:
                continue
            if job.record.plan and job.record.plan.acks_late:
                abandoned.append(Settlement(job.record.delivery, Action.REQUEUE))
            else:
                self._link.effects(self.executor.conclude(early.broken_off(job.record)))
        self._settle_last(abandoned)
        self._link.close()

    def _runs_on(self) -> bool:
        with self._seating:
            return bool(self._running)

    def _settle_last(self, rest: list[Settlement]) -> None:
        batch = self._settlements() + rest
        if batch:
            self._link.turn(batch, 0, 0.0)

    def _seats_taken(self, consumer_id: str) -> None:
        for seat in self._seats:
            seat.consumer_id = consumer_id
