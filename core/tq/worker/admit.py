"""The first step of a delivery: read the message, and decide whether it may run."""

from __future__ import annotations

import logging
import time

from tq import states
from tq.errors import InvalidTask, NotRegistered, SerializationError, WorkerLost
from tq.records import Delivery, Undecodable
from tq.request import Request
from tq.wire.envelope import PARKED
from tq.wire.protocol import TaskCall, identify, parse_iso, read_task
from tq.worker.outcome import Outcome, failure
from tq.worker.plan import TaskPlan
from tq.worker.run import Run
from tq.worker.steps import Steps

logger = logging.getLogger("tq.task")


class Admitting(Steps):
    """Whatever a message holds becomes an outcome; nothing is raised."""

    __slots__ = ()

    def admit(self, delivery: Delivery) -> Run:
        """Read a delivery; a `Run` with an outcome already is not to be performed."""
        message = delivery.message
        if isinstance(message, Undecodable):
            logger.error("queue %s held bytes that are no message: %s", delivery.queue, message.reason)
            self._tell_rejected(delivery, message.reason)
            return Run(delivery, outcome=Outcome(states.FAILURE, dead=message.reason))
        try:
            call = read_task(message, self.readers, size_limit=self.size_limit)
        except (InvalidTask, SerializationError) as exc:
            return self._unreadable(delivery, exc)
        plan = self.plans.get(call.task)
        if plan is None:
            return self._unknown(delivery, call)
        run = Run(delivery, call, plan)
        run.outcome = self._refusal(call, delivery) or _not_now(plan, delivery)
        if run.outcome is None:
            run.request = Request(call, delivery, self.hostname)
            if self.tally is not None:
                self.tally.count(call.task)
            if self.log_info:
                logger.info("task %s[%s] received", call.task, call.id)
            if self.watch is not None:
                run.request.tq_way = self.watch.received(call)
            if self.observers.task_received is not None:
                self.observers.task_received(request=run.request)
        return run

    def _unreadable(self, delivery: Delivery, exc: Exception) -> Run:
        reason = f"{type(exc).__name__}: {exc}"
        task_id, name = identify(delivery.message)  # type: ignore[arg-type]
        logger.error("message %s for task %s in queue %s: %s", task_id, name, delivery.queue, reason)
        call = TaskCall(id=task_id, task=name or "") if task_id else None
        self._tell_rejected(delivery, reason)
        return Run(delivery, call, outcome=Outcome(states.FAILURE, exc, dead=reason))

    def _tell_rejected(self, delivery: Delivery, reason: str) -> None:
        if self.observers.message_rejected is not None:
            self.observers.message_rejected(delivery=delivery, reason=reason)

    def _unknown(self, delivery: Delivery, call: TaskCall) -> Run:
        logger.error(
            "no task %r is registered here (message %s in queue %s); is its module in `include`?",
            call.task,
            call.id,
            delivery.queue,
        )
        if self.observers.task_unknown is not None:
            self.observers.task_unknown(delivery=delivery, name=call.task, task_id=call.id)
        exc = NotRegistered(call.task)
        return Run(delivery, call, outcome=Outcome(states.FAILURE, exc, dead=f"NotRegistered: {call.task}"))

    def _refusal(self, call: TaskCall, delivery: Delivery) -> Outcome | None:
        try:
            if call.expires is not None and parse_iso(call.expires) <= self.clock():
                return self._revoked(call, "expired")
            if call.eta is not None and not delivery.message.properties.get(PARKED):  # type: ignore[union-attr]
                wait = parse_iso(call.eta) - self.clock()
                if wait > 0:
                    return Outcome(states.PENDING, requeue=True, delay=wait)
        except InvalidTask as exc:
            return self._refused(call, exc)
        if call.chord is not None and not (self.counts and call.group):
            # Running it would succeed and leave its chord waiting for ever.
            missing = "result_backend cannot count groups here" if call.group else "it names no group"
            return self._refused(call, InvalidTask(f"part of a chord that cannot be completed: {missing}"))
        if self.revocations is not None and self.revocations.meets(call):
            return self._revoked(call, "revoked")
        if self.max_attempts is not None and delivery.attempt > self.max_attempts:
            # Where the store knows leases it buries such a message itself.
            runs = delivery.attempt - 1
            return self._refused(call, WorkerLost(f"{runs} processes that ran it died"))
        return None

    def _refused(self, call: TaskCall, exc: Exception) -> Outcome:
        logger.error("task %s[%s] is refused: %s", call.task, call.id, exc)
        return Outcome(states.FAILURE, exc, dead=f"{type(exc).__name__}: {exc}")


def _not_now(plan: TaskPlan, delivery: Delivery) -> Outcome | None:
    """Why a run that nothing forbids does not start now: its process died before, or its rate is used up."""
    if delivery.attempt > 1 and not plan.reject_on_worker_lost:
        exc = WorkerLost("the process that ran it died, and task_reject_on_worker_lost is off")
        return failure(plan, exc, None)
    wait = plan.bucket.wait(time.monotonic()) if plan.bucket is not None else 0.0
    return Outcome(states.PENDING, requeue=True, delay=wait) if wait else None
