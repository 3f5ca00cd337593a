"""How a run ended, told to the task's own handlers, to the hooks and to the log."""

from __future__ import annotations

import logging
import time

from tq import states
from tq.wire.exceptions import exception_info
from tq.wire.saferepr import saferepr
from tq.worker.outcome import Outcome, cause_of, failure, traceback_text
from tq.worker.run import Run
from tq.worker.steps import Steps

logger = logging.getLogger("tq.task")


class Telling(Steps):
    """A handler of a task that raises turns a success into a failure; any other is logged."""

    __slots__ = ()

    def _tell(self, run: Run, outcome: Outcome) -> Outcome:
        plan, call = run.plan, run.call
        assert plan is not None
        assert call is not None
        state = outcome.state
        einfo = None
        if state == states.SUCCESS and plan.is_plain:
            self._observe(run, outcome)
            if self.log_info:
                self._log(run, outcome)
            return outcome
        if plan.takes_einfo and isinstance(outcome.value, BaseException) and state != states.SUCCESS:
            einfo = exception_info(cause_of(outcome.value), outcome.traceback)
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
                outcome = failure(plan, exc, traceback_text(exc))
        self._observe(run, outcome)
        self._log(run, outcome)
        return outcome

    def _observe(self, run: Run, outcome: Outcome) -> None:
        observers, state, request = self.observers, outcome.state, run.request
        if state == states.SUCCESS:
            way = request.tq_way  # type: ignore[union-attr]
            if way is not None:
                if outcome.value is not None:
                    way.result = saferepr(outcome.value)
                way.ended = time.monotonic()
                if way.seen and self.watch is not None:
                    self.watch.add(way)
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
