"""Running a task at once, in this process: the worker's own steps without its stores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tq import states
from tq.app.plan import plan_of
from tq.client.call import CallOptions, make_call
from tq.client.result import EagerResult
from tq.errors import Retry
from tq.records import Delivery, Message
from tq.request import Request, current_request
from tq.wire.call import TaskCall
from tq.worker.execute import Executor, Run
from tq.worker.seat import LocalSeat

if TYPE_CHECKING:
    from tq.app.app import TQ
    from tq.app.task import Task

_NOWHERE = Delivery(Message({}, {}, b""), "", 0)
_THERE = frozenset(CallOptions.__struct_fields__)


def apply(
    app: TQ,
    task: Task[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    throw: bool | None = None,
) -> EagerResult[Any]:
    """Run a task and its retries, without waiting between them; then its callbacks, eagerly too."""
    call, _ = make_call(
        task.name,
        args,
        kwargs,
        CallOptions(**{name: value for name, value in options.items() if name in _THERE}),
        now=time.time(),
        reply_to=None,
        parent=current_request.get(),
    )
    executor = Executor({task.name: plan_of(task, app.conf)}, {}, 0, hostname="eager")
    run = _run(executor, call)
    while run.outcome is not None and run.outcome.state == states.RETRY:
        assert run.request is not None
        run = _run(executor, run.request.follow_ups[-1])
    outcome = run.outcome
    assert outcome is not None
    if outcome.state == states.SUCCESS:
        _callbacks(app, call, outcome.value)
    elif isinstance(outcome.value, BaseException) and _throws(app, throw):
        raise outcome.value.exc or outcome.value if isinstance(outcome.value, Retry) else outcome.value
    executor.freeze = lambda value: value
    meta = executor.result_of(Run(_NOWHERE, call, outcome=outcome), outcome)
    if meta is None:  # ignored: nothing else is known than that it ran
        meta = executor.result_of(Run(_NOWHERE, TaskCall(call.id, call.task), outcome=outcome), outcome)
    assert meta is not None
    return EagerResult(call.id, app, meta, outcome.value)


def _run(executor: Executor, call: TaskCall) -> Run:
    run = Run(_NOWHERE, call, executor.plans[call.task], started=time.monotonic())
    run.request = Request(call, None, executor.hostname, is_eager=True)
    executor.perform(run, LocalSeat())
    return run


def _throws(app: TQ, throw: bool | None) -> bool:
    return app.conf.task_eager_propagates if throw is None else throw


def _callbacks(app: TQ, call: TaskCall, value: Any) -> None:
    for step in app.following(call, value):
        app.tasks[step.task].apply(step.args, step.kwargs, **step.options)
