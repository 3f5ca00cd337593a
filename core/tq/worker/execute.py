"""One delivery on its way through the worker: admit, perform, conclude.

`admit` reads the message and decides whether it may run; `perform` runs the body; `conclude` turns the
outcome into what has to happen in the stores. None of the three raises for anything that a message or a body
does, and none does I/O: that is the engine's part.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tq import states
from tq.contracts.pool import ColdStop, Seat
from tq.contracts.serializer import Serializer
from tq.errors import (
    EncodeError,
    Ignore,
    InvalidTask,
    NotRegistered,
    Reject,
    Retry,
    SerializationError,
    SoftTimeLimitExceeded,
    TaskRevoked,
    WorkerLost,
)
from tq.records import Action, Delivery, Settlement, TaskMeta, Undecodable
from tq.request import Request, current_request
from tq.wire.envelope import PARKED
from tq.wire.exceptions import exception_document, exception_info
from tq.wire.protocol import TaskCall, identify, parse_iso, read_task
from tq.worker.alarm import Alarm
from tq.worker.follow import NOTHING, Followed, FollowUp
from tq.worker.outcome import GIVEN_BACK, Outcome
from tq.worker.plan import TaskPlan
from tq.worker.revocations import Revocations

logger = logging.getLogger("tq.task")

_UNCHANGING = frozenset({type(None), bool, int, float, str})
_ACTIONS = {states.REJECTED: states.FAILURE}

Observer = Callable[..., None] | None
TimeLimits = tuple[float | None, float | None]
"""Soft and hard limit, seconds."""
NO_LIMITS: TimeLimits = (None, None)


@dataclass(slots=True)
class Observers:
    """The hooks of one worker, bound once; None where nobody listens."""

    task_received: Observer = None
    task_prerun: Observer = None
    task_postrun: Observer = None
    task_success: Observer = None
    task_failure: Observer = None
    task_retry: Observer = None
    task_revoked: Observer = None
    task_rejected: Observer = None
    task_unknown: Observer = None
    message_rejected: Observer = None


@dataclass(slots=True)
class Run:
    """One delivery inside the worker. `outcome` is None until it is known how it ends."""

    delivery: Delivery
    call: TaskCall | None = None
    plan: TaskPlan | None = None
    request: Request | None = None
    outcome: Outcome | None = None
    started: float = 0.0

    @property
    def receipt(self) -> int:
        """The receipt as seats can note it."""
        receipt = self.delivery.receipt
        return receipt if type(receipt) is int else 0


@dataclass(slots=True)
class Executor:
    """The steps, and the few things they need. `follow_up` says what comes after a run: callbacks, chains, chords."""

    plans: Mapping[str, TaskPlan]
    readers: Mapping[str, Serializer]
    size_limit: int
    hostname: str = ""
    freeze: Callable[[Any], Any] | None = None
    """Makes a copy of a result as the result serializer will write it; None where no results are kept."""
    follow_up: Callable[[TaskCall, Outcome, Delivery], FollowUp] | None = None
    counts: bool = False
    """Whether the members of chords can be counted."""
    revocations: Revocations | None = None
    observers: Observers = field(default_factory=Observers)
    clock: Callable[[], float] = time.time
    log_info: bool = field(default_factory=lambda: logger.isEnabledFor(logging.INFO))

    # -- admit ---------------------------------------------------------------------------------------------

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
            if self.log_info:
                logger.info("task %s[%s] received", call.task, call.id)
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
        if self.revocations is not None and call.id in self.revocations.known:
            return self._revoked(call, "revoked")
        return None

    def _refused(self, call: TaskCall, exc: Exception) -> Outcome:
        logger.error("task %s[%s] is refused: %s", call.task, call.id, exc)
        return Outcome(states.FAILURE, exc, dead=f"{type(exc).__name__}: {exc}")

    def _revoked(self, call: TaskCall, why: str) -> Outcome:
        logger.info("task %s[%s] %s", call.task, call.id, why)
        if self.observers.task_revoked is not None:
            self.observers.task_revoked(task_id=call.id, name=call.task, reason=why)
        return Outcome(states.REVOKED, TaskRevoked(why))

    # -- perform -------------------------------------------------------------------------------------------

    def perform(
        self, run: Run, seat: Seat, limits: TimeLimits = NO_LIMITS, alarm: Alarm | None = None
    ) -> None:
        """Run the body on this thread, and set the outcome."""
        soft, hard = limits
        started = run.started
        token = current_request.set(run.request)
        try:
            try:
                try:
                    seat.begin(
                        run.receipt,
                        started,
                        started + soft if soft else 0.0,
                        started + hard if hard else 0.0,
                    )
                    if soft and alarm is not None:
                        alarm.arm(soft)
                    value = self._body(run)
                    if run.plan.is_coroutine:  # type: ignore[union-attr]
                        value = _await(value)
                finally:
                    if alarm is not None:
                        alarm.disarm()
                    seat.end()
                outcome = self._success(run, value)
            except ColdStop:
                seat.end()
                run.outcome = GIVEN_BACK
                return
            except BaseException as exc:  # noqa: BLE001 - a body may raise anything
                seat.end()
                outcome = self._exception(run, exc)
            run.outcome = self._tell(run, outcome)
        finally:
            current_request.reset(token)

    async def aperform(self, run: Run, seat: Seat, limits: TimeLimits = NO_LIMITS) -> None:
        """The same for a coroutine body, on the running loop."""
        soft, hard = limits
        started = run.started
        token = current_request.set(run.request)
        try:
            try:
                seat.begin(run.receipt, started, 0.0, started + hard if hard else 0.0)
                try:
                    value = await _within(soft, self._body(run))
                finally:
                    seat.end()
                outcome = self._success(run, value)
            except BaseException as exc:  # noqa: BLE001 - a body may raise anything
                if _cancelled_from_outside(exc):
                    run.outcome = GIVEN_BACK
                    return
                outcome = self._exception(run, exc)
            run.outcome = self._tell(run, outcome)
        finally:
            current_request.reset(token)

    def _body(self, run: Run) -> Any:
        plan, call = run.plan, run.call
        assert plan is not None
        assert call is not None
        if self.observers.task_prerun is not None:
            self.observers.task_prerun(request=run.request)
        if plan.before_start is not None:
            plan.before_start(call.id, call.args, call.kwargs)
        if plan.adapt_args is not None:
            args, kwargs = plan.adapt_args(call.args, call.kwargs)
            return plan.body(*args, **kwargs)
        return plan.body(*call.args, **call.kwargs)

    def _success(self, run: Run, value: Any) -> Outcome:
        plan, call = run.plan, run.call
        assert plan is not None
        assert call is not None
        if plan.adapt_result is not None:
            value = plan.adapt_result(value)
        if type(value) not in _UNCHANGING and self.freeze is not None and self._is_used(call, plan):
            try:
                value = self.freeze(value)
            except SerializationError as exc:
                return _unwritable(plan, exc)
        return Outcome(states.SUCCESS, value)

    def _is_used(self, call: TaskCall, plan: TaskPlan) -> bool:
        return not _ignored(call, plan) or bool(call.callbacks or call.chain or call.chord)

    def _exception(self, run: Run, exc: BaseException) -> Outcome:
        plan = run.plan
        assert plan is not None
        if plan.autoretry is not None and not isinstance(exc, (Retry, Ignore, Reject, SerializationError)):
            exc = plan.autoretry(exc)
        if isinstance(exc, Retry):
            return Outcome(states.RETRY, exc, _format(_cause(exc)))
        if isinstance(exc, Ignore):
            return Outcome(states.IGNORED)
        if isinstance(exc, Reject):
            reason = "" if exc.requeue else f"rejected by the task: {exc.reason}"
            return Outcome(states.REJECTED, exc, dead=reason, requeue=exc.requeue)
        return _failure(plan, exc, _format(exc))

    # -- tell the task's handlers, the hooks and the log ------------------------------------------------------

    def _tell(self, run: Run, outcome: Outcome) -> Outcome:
        plan, call = run.plan, run.call
        assert plan is not None
        assert call is not None
        state = outcome.state
        einfo = None
        if plan.takes_einfo and isinstance(outcome.value, BaseException) and state != states.SUCCESS:
            einfo = exception_info(_cause(outcome.value), outcome.traceback)
        try:
            if state == states.SUCCESS:
                if plan.on_success is not None:
                    plan.on_success(outcome.value, call.id, call.args, call.kwargs)
            elif state == states.RETRY:
                if plan.on_retry is not None:
                    plan.on_retry(outcome.value.exc, call.id, call.args, call.kwargs, einfo)
            elif state == states.FAILURE and plan.on_failure is not None:
                plan.on_failure(outcome.value, call.id, call.args, call.kwargs, einfo)
            if plan.after_return is not None and state != states.IGNORED:
                plan.after_return(state, outcome.value, call.id, call.args, call.kwargs, einfo)
        except Exception as exc:
            logger.exception("a handler of task %s[%s] raised", call.task, call.id)
            if state == states.SUCCESS:
                outcome = _failure(plan, exc, _format(exc))
        self._observe(run, outcome)
        self._log(run, outcome)
        return outcome

    def _observe(self, run: Run, outcome: Outcome) -> None:
        observers, state, request = self.observers, outcome.state, run.request
        if state == states.SUCCESS:
            if observers.task_success is not None:
                runtime = time.monotonic() - run.started
                observers.task_success(request=request, result=outcome.value, runtime=runtime)
        elif state == states.FAILURE:
            if observers.task_failure is not None:
                observers.task_failure(
                    request=request, exception=outcome.value, traceback=outcome.traceback or ""
                )
        elif state == states.RETRY:
            if observers.task_retry is not None:
                observers.task_retry(request=request, reason=outcome.value)
        elif state == states.REJECTED and observers.task_rejected is not None:
            observers.task_rejected(request=request, reason=outcome.dead, requeue=outcome.requeue)
        if observers.task_postrun is not None:
            observers.task_postrun(request=request, state=state, retval=outcome.value)

    def _log(self, run: Run, outcome: Outcome) -> None:
        call, plan, state = run.call, run.plan, outcome.state
        assert call is not None
        assert plan is not None
        if state == states.FAILURE:
            if isinstance(outcome.value, plan.throws):
                logger.info("task %s[%s] raised expected %r", call.task, call.id, outcome.value)
            else:
                logger.error(
                    "task %s[%s] failed: %r\n%s", call.task, call.id, outcome.value, outcome.traceback
                )
        elif not self.log_info:
            return
        elif state == states.SUCCESS:
            seconds = time.monotonic() - run.started
            logger.info("task %s[%s] succeeded in %.6fs: %.100r", call.task, call.id, seconds, outcome.value)
        else:
            logger.info("task %s[%s] %s: %s", call.task, call.id, state.lower(), outcome.value)

    # -- conclude ------------------------------------------------------------------------------------------

    def conclude(self, run: Run) -> Settlement:
        """What the stores have to do now that the outcome is known."""
        try:
            return self._conclude(run)
        except Exception as exc:
            # Callbacks come with the message and may be anything.
            name, task_id = (run.call.task, run.call.id) if run.call else (None, None)
            logger.exception(
                "what follows task %s[%s] in queue %s cannot be sent", name, task_id, run.delivery.queue
            )
            run.outcome = Outcome(states.FAILURE, exc, _format(exc), dead=f"{type(exc).__name__}: {exc}")
            return Settlement(
                run.delivery, Action.DEAD, 0.0, run.outcome.dead, (), self.result_of(run, run.outcome)
            )

    def _conclude(self, run: Run) -> Settlement:
        outcome = run.outcome or GIVEN_BACK
        follow = self._following(run, outcome)
        if outcome.requeue:
            action = Action.REQUEUE
        elif outcome.dead:
            action = Action.DEAD
        else:
            action = Action.ACK
        result = self.result_of(run, outcome)
        plain = (run.delivery, action, outcome.delay, outcome.dead, follow.publish, result)
        if follow.starts or follow.members or follow.ends:
            return Followed(*plain, follow.starts, follow.members, follow.ends)
        return Settlement(*plain)

    def _following(self, run: Run, outcome: Outcome) -> FollowUp:
        call, request = run.call, run.request
        own = FollowUp(tuple(request.follow_ups), tuple(request.starts)) if request is not None else NOTHING
        # What replaces a task goes on with its chain and its chord.
        replaced = outcome.state == states.IGNORED and bool(own.publish)
        if call is None or self.follow_up is None or replaced or not _continues(call, outcome):
            return own
        follow = self.follow_up(call, outcome, run.delivery)
        if request is not None and follow.children and getattr(run.plan and run.plan.task, "trail", True):
            request.children.extend(follow.children)
        return own.joined(follow) if own.publish else follow

    def result_of(self, run: Run, outcome: Outcome) -> TaskMeta | None:
        """The result document to store, or None where nothing is kept."""
        call, plan, state = run.call, run.plan, outcome.state
        if call is None or self.freeze is None or outcome.requeue or state == states.IGNORED:
            return None
        if plan is None:
            if call.ignore_result:
                return None
        elif _ignored(call, plan) and not (state == states.FAILURE and plan.store_errors):
            return None
        value = outcome.value
        if isinstance(value, Retry):
            value = _cause(value)
        children = run.request.children if run.request is not None else None
        return TaskMeta(
            task_id=call.id,
            status=_ACTIONS.get(state, state),
            result=value if state == states.SUCCESS else exception_document(value),
            traceback=outcome.traceback,
            children=list(children) if children else [],
            date_done=datetime.now(UTC).isoformat() if state != states.RETRY else None,
            group_id=call.group,
            parent_id=call.parent_id,
            **(_extended(run, self.hostname) if plan is not None and plan.extended else {}),
        )


def started_document(run: Run, hostname: str, pid: int) -> TaskMeta:
    """The STARTED document of a run, as Celery writes it."""
    assert run.call is not None
    extended = _extended(run, hostname) if run.plan is not None and run.plan.extended else {}
    return TaskMeta(
        task_id=run.call.id,
        status=states.STARTED,
        result={"pid": pid, "hostname": hostname},
        group_id=run.call.group,
        parent_id=run.call.parent_id,
        **extended,
    )


def _extended(run: Run, hostname: str) -> dict[str, Any]:
    call = run.call
    assert call is not None
    return {
        "name": call.task,
        "args": call.args,
        "kwargs": call.kwargs,
        "worker": hostname,
        "retries": call.retries,
        "queue": run.delivery.queue,
    }


def _cause(exc: BaseException) -> BaseException:
    """What a retry is for."""
    return exc.exc if isinstance(exc, Retry) and exc.exc is not None else exc


def _not_now(plan: TaskPlan, delivery: Delivery) -> Outcome | None:
    """Why a run that nothing forbids does not start now: its process died before, or its rate is used up."""
    if delivery.attempt > 1 and not plan.reject_on_worker_lost:
        exc = WorkerLost("the process that ran it died, and task_reject_on_worker_lost is off")
        return _failure(plan, exc, None)
    wait = plan.bucket.wait(time.monotonic()) if plan.bucket is not None else 0.0
    return Outcome(states.PENDING, requeue=True, delay=wait) if wait else None


def _failure(plan: TaskPlan, exc: BaseException, text: str | None) -> Outcome:
    dead = "" if plan.acks_on_failure else f"{type(exc).__name__}: {exc}"
    return Outcome(states.FAILURE, exc, text, dead=dead)


def _unwritable(plan: TaskPlan, cause: SerializationError) -> Outcome:
    """A result without a form: the task's author has to know what to change, not where tq noticed."""
    exc = EncodeError(f"the result of task {plan.name} cannot be stored: {cause}; return plain values")
    return _failure(plan, exc, f"tq.errors.EncodeError: {exc}\n")


def _ignored(call: TaskCall, plan: TaskPlan) -> bool:
    return plan.ignore_result if call.ignore_result is None else call.ignore_result


def _continues(call: TaskCall, outcome: Outcome) -> bool:
    state = outcome.state
    if outcome.requeue or state in (states.RETRY, states.PENDING):
        return False
    waiting = bool(call.chain or call.chord)
    if state == states.SUCCESS:
        return waiting or bool(call.callbacks)
    return waiting or (bool(call.errbacks) and state in (states.FAILURE, states.REVOKED))


def _format(exc: BaseException) -> str:
    """The traceback as text, without the worker's own frames at its top."""
    frames = exc.__traceback__
    for _ in range(2):
        if frames is not None and frames.tb_frame.f_code.co_filename == __file__:
            frames = frames.tb_next
    return "".join(traceback.format_exception(type(exc), exc, frames))


def _await(value: Any) -> Any:
    return asyncio.run(_as_coroutine(value))


async def _within(seconds: float | None, body: Awaitable[Any]) -> Any:
    """Await a body, and raise its soft time limit inside it."""
    if not seconds:
        return await body
    async with asyncio.timeout(seconds) as limit:
        return await _Limited(body, limit, seconds)


class _Limited:
    """Awaits a body in such a way that it sees `SoftTimeLimitExceeded` where the limit cancels it."""

    def __init__(self, body: Awaitable[Any], limit: asyncio.Timeout, seconds: float) -> None:
        self._body = body
        self._limit = limit
        self._seconds = seconds

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._body.__await__()
        thrown: BaseException | None = None
        told = False
        while True:
            try:
                waited_for = next(steps) if thrown is None else steps.throw(thrown)
            except StopIteration as end:
                return end.value
            thrown = None
            try:
                yield waited_for
            except asyncio.CancelledError as cancelled:
                # The limit cancels once; a second time it is somebody else.
                is_limit = self._limit.expired() and not told
                told = told or is_limit
                thrown = SoftTimeLimitExceeded(self._seconds) if is_limit else cancelled


def _cancelled_from_outside(exc: BaseException) -> bool:
    """Whether a cold stop ended this body; one that raises CancelledError by itself has failed."""
    if isinstance(exc, ColdStop):
        return True
    task = asyncio.current_task()
    return isinstance(exc, asyncio.CancelledError) and task is not None and task.cancelling() > 0


async def _as_coroutine(value: Any) -> Any:
    return await value
