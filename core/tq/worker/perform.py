"""The second step of a delivery: run the body, and find out how it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tq import states
from tq.contracts.pool import ColdStop, Seat
from tq.errors import EncodeError, Ignore, Reject, Retry, SerializationError
from tq.request import current_request
from tq.wire.call import TaskCall
from tq.worker.alarm import Alarm
from tq.worker.coroutines import await_here, cancelled_from_outside, within
from tq.worker.outcome import GIVEN_BACK, Outcome, cause_of, failure, traceback_text
from tq.worker.plan import TaskPlan
from tq.worker.run import NO_LIMITS, Run, TimeLimits
from tq.worker.tell import Telling

_DONE = Outcome(states.SUCCESS)
_UNCHANGING = frozenset({type(None), bool, int, float, str})


class Performing(Telling):
    """A body may raise anything; it becomes an outcome."""

    __slots__ = ()

    def perform(
        self, run: Run, seat: Seat, limits: TimeLimits = NO_LIMITS, alarm: Alarm | None = None
    ) -> None:
        """Run the body on this thread, and set the outcome."""
        soft, hard = limits
        started = run.started
        # What waits on a loop is woken by no other thread; an alarm wakes it, and a body that blocks as well.
        on_loop = run.plan.is_coroutine and not (alarm and alarm.works)  # type: ignore[union-attr]
        token = current_request.set(run.request)
        try:
            try:
                try:
                    seat.begin(
                        run.receipt,
                        started,
                        started + soft if soft and not on_loop else 0.0,
                        started + hard if hard else 0.0,
                    )
                    if soft and alarm is not None:
                        alarm.arm(soft)
                    value = self._body(run)
                    if run.plan.is_coroutine:  # type: ignore[union-attr]
                        value = await_here(within(soft, value) if soft and on_loop else value)
                finally:
                    if soft and alarm is not None:
                        alarm.disarm()
                    seat.end()
                outcome = self._success(run, value)
            except ColdStop:
                seat.end()
                run.outcome = self._forced(run)
                return
            except BaseException as exc:  # noqa: BLE001 - a body may raise anything
                seat.end()
                outcome = self._exception(run, exc)
            run.outcome = self._tell(run, outcome)
        finally:
            current_request.reset(token)

    async def aperform(
        self,
        run: Run,
        seat: Seat,
        limits: TimeLimits = NO_LIMITS,
        is_over: Callable[[], bool] = lambda: True,
    ) -> None:
        """The same for a coroutine body, on the running loop. `is_over` says whether the engine has ended, so that
        who cancels the body without a revocation is the pool, and not the body itself."""
        soft, hard = limits
        started = run.started
        token = current_request.set(run.request)
        try:
            try:
                seat.begin(run.receipt, started, 0.0, started + hard if hard else 0.0)
                try:
                    value = await (within(soft, self._body(run)) if soft else self._body(run))
                finally:
                    seat.end()
                outcome = self._success(run, value)
            except BaseException as exc:  # noqa: BLE001 - a body may raise anything
                if cancelled_from_outside(exc) and (run.revoked or is_over()):
                    run.outcome = self._forced(run)
                    return
                outcome = self._exception(run, exc)
            run.outcome = self._tell(run, outcome)
        finally:
            current_request.reset(token)

    def _body(self, run: Run) -> Any:
        plan, call = run.plan, run.call
        assert plan is not None
        assert call is not None
        way = run.request.tq_way  # type: ignore[union-attr]
        if way is not None:
            way.started = run.started
            if way.seen and self.watch is not None:
                self.watch.add(way)
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
        return _DONE if value is None else Outcome(states.SUCCESS, value)

    def _is_used(self, call: TaskCall, plan: TaskPlan) -> bool:
        return not plan.ignores(call) or bool(call.callbacks or call.chain or call.chord)

    def _forced(self, run: Run) -> Outcome:
        """What became of a body that was ended by a stop of the worker, or by its revocation."""
        assert run.call is not None
        if not run.revoked:
            return GIVEN_BACK
        outcome = self._revoked(run.call, "terminated")
        if self.observers.task_postrun is not None:
            self.observers.task_postrun(request=run.request, state=outcome.state, retval=outcome.value)
        return outcome

    def _exception(self, run: Run, exc: BaseException) -> Outcome:
        plan = run.plan
        assert plan is not None
        if plan.autoretry is not None and not isinstance(exc, (Retry, Ignore, Reject, SerializationError)):
            exc = plan.autoretry(exc)
        if isinstance(exc, Retry):
            return Outcome(states.RETRY, exc, traceback_text(cause_of(exc)))
        if isinstance(exc, Ignore):
            return Outcome(states.IGNORED)
        if isinstance(exc, Reject):
            reason = "" if exc.requeue else f"rejected by the task: {exc.reason}"
            return Outcome(states.REJECTED, exc, dead=reason, requeue=exc.requeue)
        return failure(plan, exc, traceback_text(exc))


def _unwritable(plan: TaskPlan, cause: SerializationError) -> Outcome:
    """A result without a form: the task's author has to know what to change, not where tq noticed."""
    exc = EncodeError(f"the result of task {plan.name} cannot be stored: {cause}; return plain values")
    return failure(plan, exc, f"tq.errors.EncodeError: {exc}\n")
