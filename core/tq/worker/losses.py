"""What becomes of deliveries whose process died or was killed: back to the queue, or an end with a cause."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from tq import states
from tq.contracts.broker import Cap
from tq.contracts.pool import Seat
from tq.errors import (
    BackendError,
    BrokerError,
    InvalidTask,
    SerializationError,
    TaskRevoked,
    WorkerLost,
)
from tq.records import Action, Delivery, Undecodable
from tq.request import Request
from tq.wire.protocol import TaskCall, identify, read_task
from tq.worker import early
from tq.worker.execute import Executor
from tq.worker.link import Stores
from tq.worker.outcome import Outcome
from tq.worker.run import Run

logger = logging.getLogger("tq.worker")


@dataclass(slots=True)
class Loss:
    """A consumer that is gone. `running` are receipts that it was computing; with a `verdict` they end so. `early` is
    what it had acknowledged before it ran it."""

    consumer_id: str
    running: tuple[int, ...]
    cause: str
    verdict: Exception | None = None
    early: Delivery | None = None
    run: Delivery | None = None
    """What it ran, on a broker that cannot be asked."""


@dataclass(slots=True)
class Losses:
    """Takes reports at any time without waiting; `settle`, on the keeper's thread, does what they ask for."""

    stores: Stores
    executor: Executor
    max_attempts: int = 3
    wake: threading.Event = field(default_factory=threading.Event)
    waiting: deque[Loss] = field(default_factory=deque)
    ends: deque[tuple[Delivery, Exception]] = field(default_factory=deque)
    """Deliveries that are dead letters by now, and what their results have to say."""
    condemned: set[tuple[str, int]] = field(default_factory=set)
    """Consumers whose last run was ended before they were."""

    def report(
        self, seat: Seat, cause: str, *, verdict: Exception | None = None, charge: bool = True
    ) -> None:
        """The process of this seat is gone; with `charge` what it ran counts an attempt or gets its verdict."""
        running = (seat.receipt,) if charge and seat.receipt >= 0 else ()
        ended = (seat.consumer_id, seat.receipt)
        if not seat.consumer_id or ended in self.condemned:
            self.condemned.discard(ended)
            return
        loss = Loss(seat.consumer_id, running, cause, verdict, early.noted(seat, self.stores.broker))
        if not self._leases:
            # The store's own timers give back what was lent, but for what ran.
            loss.run = early.noted_run(seat, self.stores.broker) if running else None
        self.waiting.append(loss)
        self.wake.set()

    def condemn(self, seat: Seat, cause: str, verdict: Exception) -> None:
        """The process of this seat is stopped, and will be killed for what it runs. A broker without leases would hand
        that out again at once, so it ends before. Takes as long as the stores do."""
        run = None if self._leases else early.noted_run(seat, self.stores.broker)
        if run is None:
            return
        try:
            self._take(Loss(seat.consumer_id, (seat.receipt,), cause, verdict, run=run))
            self.condemned.add((seat.consumer_id, seat.receipt))
        except (BrokerError, BackendError) as exc:
            logger.warning("a task that is ended by force may run again: %s", exc)

    @property
    def _leases(self) -> bool:
        return Cap.LEASE in self.stores.broker.capabilities

    def settle(self) -> None:
        """Settle what was reported; what a store cannot take now is tried again at the next call."""
        for _ in range(len(self.waiting)):
            loss = self.waiting.popleft()
            try:
                self._take(loss)
            except (BrokerError, BackendError) as exc:
                logger.warning("what consumer %s held is given back later: %s", loss.consumer_id, exc)
                self.waiting.append(loss)
        self._tell_ends()

    def quarantined(self, deliveries: Iterable[Delivery], cause: str) -> None:
        """These went to the dead letters because their holders died; their results say so."""
        self.ends.extend(
            (delivery, WorkerLost(f"{cause}; the message ran {delivery.attempt} times"))
            for delivery in deliveries
        )
        self._tell_ends()

    def _tell_ends(self) -> None:
        for _ in range(len(self.ends)):
            delivery, exc = self.ends.popleft()
            try:
                self._conclude(delivery, exc)
            except (BrokerError, BackendError) as error:
                logger.warning("the end of a task is stored later: %s", error)
                self.ends.append((delivery, exc))

    def _take(self, loss: Loss) -> None:
        broker = self.stores.broker
        self._end_early(loss)
        if not self._leases:
            self._end_run(loss)
            return
        action = Action.REQUEUE
        if loss.verdict is not None and loss.running:
            # The result is stored before the message goes: a crash between the two repeats, and never loses.
            for delivery in broker.held(loss.consumer_id, loss.running):
                self._conclude(delivery, loss.verdict)
            action = Action.ACK
        dead = broker.release(
            loss.consumer_id,
            running=loss.running,
            action=action,
            reason=loss.cause,
            max_attempts=self.max_attempts,
        )
        self.quarantined(dead, loss.cause)

    def _end_run(self, loss: Loss) -> None:
        if loss.run is None:
            return
        action = Action.REQUEUE
        if loss.verdict is not None:
            self._conclude(loss.run, loss.verdict)
            action = Action.ACK
        dead = self.stores.broker.end_run(
            loss.consumer_id, loss.run, action=action, reason=loss.cause, max_attempts=self.max_attempts
        )
        self.quarantined(dead, loss.cause)

    def _end_early(self, loss: Loss) -> None:
        """End what the broker has no more; what it still has was not acknowledged yet, and did not begin."""
        if loss.early is None:
            return
        receipt = loss.early.receipt
        held = self._leases and isinstance(receipt, int)
        if not (held and self.stores.broker.held(loss.consumer_id, (int(receipt),))):
            lost = WorkerLost(f"{loss.cause}; it was acknowledged before it ran, and is not run again")
            self._conclude(loss.early, loss.verdict or lost)
        loss.early = None

    def _conclude(self, delivery: Delivery, exc: Exception) -> None:
        """Store the end of a task whose process cannot, count it in its chord, and send its error callbacks."""
        run = self._run_of(delivery)
        if run is None:
            return
        state = states.REVOKED if isinstance(exc, TaskRevoked) else states.FAILURE
        outcome = run.outcome = Outcome(state, exc)
        self.stores.broker.adopt(delivery)
        logger.error("task %s[%s] ended: %r", run.call.task, run.call.id, exc)  # type: ignore[union-attr]
        meta = self.executor.result_of(run, outcome)
        if meta is not None and self.stores.backend is not None:
            self.stores.backend.store([meta])
        settlement = self.executor.conclude(run)
        chords = self.stores.chords
        (settlement,) = chords.settle([settlement]) if chords is not None else (settlement,)
        if settlement.publish:
            self.stores.broadcasts.publish(
                self.stores.broker, settlement.publish, timeout=self.stores.publish_timeout
            )
        if settlement.unlock is not None:
            self.stores.broker.unlock(delivery.queue, [settlement.unlock])
        if chords is not None:
            chords.end([settlement], [True])
        self._observe(run, exc)

    def _observe(self, run: Run, exc: Exception) -> None:
        """Tell the hooks, last: what is tried again is told once."""
        observers, call = self.executor.observers, run.call
        assert call is not None
        if isinstance(exc, TaskRevoked):
            if observers.task_revoked is not None:
                observers.task_revoked(task_id=call.id, name=call.task, reason="terminated")
        elif observers.task_failure is not None:
            request = Request(call, run.delivery, self.executor.hostname)
            observers.task_failure(request=request, exception=exc, traceback="")

    def _run_of(self, delivery: Delivery) -> Run | None:
        message = delivery.message
        if isinstance(message, Undecodable):
            return None
        try:
            call = read_task(message, self.executor.readers, size_limit=self.executor.size_limit)
        except (InvalidTask, SerializationError):
            task_id, name = identify(message)
            if not task_id:
                return None
            call = TaskCall(id=task_id, task=name or "")
        return Run(delivery, call, self.executor.plans.get(call.task))
