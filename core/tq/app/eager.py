"""Running a task at once, in this process: the worker's own steps without its stores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tq import states
from tq.app.apply import apply_flow
from tq.app.flows import tell_here
from tq.app.options import given_options
from tq.app.plan import plan_of
from tq.canvas.flow import flow_of, in_a_row
from tq.client.call import call_options, make_call
from tq.client.result import EagerResult
from tq.records import Delivery, Message, TaskMeta
from tq.request import Request, current_request
from tq.wire.call import TaskCall
from tq.worker.execute import Executor
from tq.worker.outcome import Outcome
from tq.worker.run import Run
from tq.worker.seat import LocalSeat

if TYPE_CHECKING:
    from tq.app.app import TQ
    from tq.app.task import Task

_NOWHERE = Delivery(Message({}, {}, b""), "", 0)


def apply(
    app: TQ,
    task: Task[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    throw: bool | None = None,
) -> EagerResult[Any]:
    """Run a task and its retries, without waiting between them; then what follows it, eagerly too."""
    call, _ = make_call(
        task.name,
        args,
        kwargs,
        call_options(given_options(task.call_options(), options)),
        now=time.time(),
        reply_to=None,
        parent=current_request.get(),
        zone=app.timezone,
    )
    executor = Executor({task.name: plan_of(task, app.conf)}, {}, 0, hostname="eager")
    run = _run(executor, call)
    while run.outcome is not None and run.outcome.state == states.RETRY:
        assert run.request is not None
        run = _run(executor, run.request.follow_ups[-1])
    outcome = run.outcome
    assert run.call is not None
    assert outcome is not None
    value = outcome.value
    if outcome.state == states.SUCCESS:
        _apply_what_follows(app, run.call, value)
    elif outcome.state == states.FAILURE:
        _apply_errbacks(app, run.call, outcome)
        if isinstance(value, BaseException) and _throws(app, throw):
            raise value
    meta = TaskMeta(
        call.id,
        outcome.state,
        traceback=outcome.traceback,
        children=list(run.request.children) if run.request is not None else None,
        parent_id=call.parent_id,
        group_id=call.group,
        name=task.name,
        args=run.call.args,
        kwargs=run.call.kwargs,
        worker=executor.hostname,
        retries=run.call.retries,
    )
    return EagerResult(call.id, app, meta, value)


def _run(executor: Executor, call: TaskCall) -> Run:
    run = Run(_NOWHERE, call, executor.plans[call.task], started=time.monotonic())
    run.request = Request(call, None, executor.hostname, is_eager=True)
    executor.perform(run, LocalSeat())
    return run


def _throws(app: TQ, throw: bool | None) -> bool:
    return app.conf.task_eager_propagates if throw is None else throw


def _apply_what_follows(app: TQ, call: TaskCall, value: Any) -> None:
    for callback in call.callbacks or ():
        apply_flow(app, flow_of(callback), (value,))
    if call.chain:
        apply_flow(app, in_a_row(tuple(reversed(call.chain))), (value,))


def _apply_errbacks(app: TQ, call: TaskCall, outcome: Outcome) -> None:
    for errback in tell_here(app, call, call.errbacks or (), outcome.value, outcome.traceback):
        apply_flow(app, flow_of(errback), (call.id,))
