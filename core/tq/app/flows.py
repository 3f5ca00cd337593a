"""Workflows of an app: sending canvases, and what follows tasks, groups and failures."""

from __future__ import annotations

import inspect
import itertools
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tq import states
from tq.app import notes
from tq.app.options import check_call_options
from tq.canvas.flow import (
    Flow,
    Side,
    add_options,
    calls_of,
    enroll,
    flow_of,
    in_a_row,
    last_calls,
    own_calls,
)
from tq.canvas.kinds import call_signature, many
from tq.canvas.launch import Launch, Node, launch
from tq.canvas.stamps import NAMES
from tq.canvas.unroll import (
    Member,
    after_group,
    after_success,
    body_call,
    doomed,
    errbacks_of_body,
    errors_of,
    failure_of,
)
from tq.client.groups import GroupResult
from tq.client.result import AsyncResult
from tq.contracts.results import BackendCap
from tq.errors import ChordError, Ignore, ImproperlyConfigured, TaskRevoked
from tq.records import Delivery, GroupCount, TaskMeta
from tq.request import Request, current_request
from tq.wire.call import TaskCall
from tq.wire.exceptions import exception_document
from tq.wire.ids import new_id
from tq.worker.follow import NOTHING, FollowUp, ended

if TYPE_CHECKING:
    from tq.app.app import TQ
    from tq.app.task import Task
    from tq.canvas.signature import Signature
    from tq.worker.outcome import Outcome

logger = logging.getLogger("tq.task")

_IDS = uuid.UUID("7b1f3a52-0c8e-4a8e-9d0e-5c1f6a2c7d11")
_AT_ONCE = 500
"""Messages in one publish."""
ACCUMULATE = "celery.accumulate"


# -- sending -----------------------------------------------------------------------------------------------------


def send_canvas(
    app: TQ, signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
) -> Any:
    """Send what can begin; its result. Raises `ImproperlyConfigured` where its chords could never end."""
    check_call_options(options)
    flow = flow_of(signature.clone(**options))
    for call in calls_of(flow):
        check_call_options(call["options"])
    if has_chords(flow):
        require_groups(app)
    parent = current_request.get()
    started = launch(flow, new_id, args, kwargs, _below(parent) if parent is not None else None)
    for group in started.groups:
        require_groups(app).start_group(group, fresh=True)
    for at in range(0, len(started.steps), _AT_ONCE):
        app.publish_steps(started.steps[at : at + _AT_ONCE], options)
    notes.keep_flow(app, flow)
    (node,) = started.results
    if parent is not None and options.get("add_to_parent", True) and app.has_trail(parent):
        parent.children.append(node.as_tuple())
    return result_of(app, node)


def has_chords(flow: Flow) -> bool:
    """Whether something waits for a group."""
    for place, step in enumerate(flow):
        if isinstance(step, Side):
            if place < len(flow) - 1 or any(has_chords(member) for member in step.members):
                return True
        elif step["options"].get("chord"):
            return True
    return False


def require_groups(app: TQ) -> Any:
    """The backend, if it can count. Raises `ImproperlyConfigured`."""
    backend = app.backend
    if backend is None:
        raise ImproperlyConfigured(
            "a chord needs a result backend, which counts the members; set result_backend, for example "
            'TQ(..., backend="redis://localhost/1")'
        )
    if BackendCap.GROUPS not in backend.capabilities:
        raise backend._no_groups()
    return backend


def result_of(app: TQ, node: Node) -> Any:
    """The result of a node, with those before it."""
    before: list[Node] = []
    each: Node | None = node
    while each is not None:
        before.append(each)
        each = each.parent
    result: Any = None
    for each in reversed(before):
        if each.members is None:
            result = AsyncResult(each.id, app, parent=result)
        else:
            members = [result_of(app, member) for member in each.members]
            result = GroupResult(each.id, members, app, parent=result)
    return result


def _below(parent: Request) -> dict[str, Any]:
    return {"root_id": parent.call.root_id or parent.id, "parent_id": parent.id}


# -- what follows a run -------------------------------------------------------------------------------------------


def numbered(of: str) -> Callable[[], str]:
    """Ids that depend on what they follow alone: a task that runs twice does not double what follows it."""
    numbers = itertools.count()
    return lambda: str(uuid.uuid5(_IDS, f"{of}:{next(numbers)}"))


def after_run(app: TQ, call: TaskCall, outcome: Outcome, delivery: Delivery) -> FollowUp:
    """Messages, members and ends that follow a run."""
    new_ids = numbered(notes.line_of(call))
    if outcome.state == states.SUCCESS:
        found = _sent(app, after_success(call, outcome.value, new_ids), (call.id,))
        status, document = states.SUCCESS, outcome.value
    else:
        exc = outcome.value if isinstance(outcome.value, BaseException) else _ignored(call, outcome)
        status = states.FAILURE if outcome.state in (states.FAILURE, states.REJECTED) else states.REVOKED
        document = exception_document(exc)
        found = NOTHING
        if outcome.state in (states.FAILURE, states.REVOKED):
            found = _told(app, call, call.errbacks or (), exc, outcome.traceback, new_ids)
        found = found.joined(_ends(call.chain or (), call.id, status, document, outcome.traceback))
        if outcome.state == states.FAILURE:
            found = found.joined(notes.of_failure(app, call, delivery))
    if call.chord is not None and call.group:
        index = -1 if call.group_index is None else call.group_index
        member = ended(Member(call.group, index, call.id, call.chord), status, document)
        found = found.joined(FollowUp(members=(member,)))
    return found


def _ignored(call: TaskCall, outcome: Outcome) -> TaskRevoked:
    return TaskRevoked(f"task {call.task}[{call.id}] ended as {outcome.state}")


def after_chord(app: TQ, body: Mapping[str, Any], group_id: str, count: GroupCount) -> FollowUp:
    """The body of a chord, or what its failure leads to."""
    error = failure_of(count)
    if error is None:
        try:
            return _sent(
                app,
                after_group(body, count, numbered(f"{group_id}:body")),
                [part.task_id for part in count.parts],
            )
        except Exception as exc:
            # Bodies come with messages and may be anything; their results are waited for.
            logger.exception("the body of chord %s cannot be sent", group_id)
            error = exc if isinstance(exc, ChordError) else ChordError(f"Callback error: {exc!r}")
    logger.error("chord %s failed: %s", group_id, error)
    return _body_failed(app, body, error, numbered(f"{group_id}:failed"))


def _body_failed(app: TQ, body: Mapping[str, Any], error: ChordError, new_ids: Callable[[], str]) -> FollowUp:
    found = _ends((body,), None, states.FAILURE, exception_document(error), None)
    first = found.ends[0].task_id if found.ends else new_ids()
    call = body_call(body, first)
    return found.joined(_told(app, call, errbacks_of_body(body), error, None, new_ids))


def _ends(
    signatures: Sequence[Any], parent: str | None, status: str, document: Any, traceback: str | None
) -> FollowUp:
    """What will never run ends as that did which it waited for, in its chord as well."""
    lost = doomed(signatures)
    now = datetime.now(UTC).isoformat()
    metas = tuple(
        TaskMeta(task_id, status, document, traceback, [], now, group_id, parent)
        for task_id, group_id in lost.tasks
    )
    return FollowUp(members=tuple(ended(m, status, document) for m in lost.members), ends=metas)


def _told(
    app: TQ,
    call: TaskCall,
    errbacks: Sequence[Mapping[str, Any]],
    exc: BaseException,
    traceback: str | None,
    new_ids: Callable[[], str],
) -> FollowUp:
    """Error callbacks: tasks of this app with more than one argument are called here, others are sent."""
    return _sent(app, errors_of(call, tell_here(app, call, errbacks, exc, traceback), new_ids), (call.id,))


def tell_here(
    app: TQ,
    call: TaskCall,
    errbacks: Sequence[Mapping[str, Any]],
    exc: BaseException,
    traceback: str | None,
) -> list[Mapping[str, Any]]:
    """Call those that are called; the others are left."""
    left = []
    for errback in errbacks:
        task = app.tasks.get(errback.get("task", "")) if isinstance(errback, Mapping) else None
        if task is not None and is_called(task, errback):
            _call_here(task, errback, call, exc, traceback)
        else:
            left.append(errback)
    return left


def is_called(task: Task[..., Any], errback: Mapping[str, Any]) -> bool:
    """Whether an error callback is of the form (request, exc, traceback): where it can be called so, as in Celery."""
    args, kwargs = errback.get("args") or (), errback.get("kwargs") or {}
    try:
        inspect.signature(task.run).bind(None, None, None, *args, **kwargs)
    except TypeError:
        return False
    return not errback.get("immutable")


def _call_here(
    task: Task[..., Any],
    errback: Mapping[str, Any],
    call: TaskCall,
    exc: BaseException,
    traceback: str | None,
) -> None:
    request = Request(call)
    token = current_request.set(request)
    try:
        task(request, exc, traceback, *(errback.get("args") or ()), **(errback.get("kwargs") or {}))
    except Exception:
        logger.exception("the error callback %s of task %s[%s] raised", task.name, call.task, call.id)
    finally:
        current_request.reset(token)


def _sent(app: TQ, found: Launch, follows: Sequence[str]) -> FollowUp:
    if found.groups:
        require_groups(app)
    return FollowUp(
        tuple(app.observed(app.step_envelope(step, follows=True), follows) for step in found.steps),
        tuple(found.groups),
        children=tuple(node.as_tuple() for node in found.results),
    )


# -- from inside a task --------------------------------------------------------------------------------------------


def replace_task(app: TQ, request: Request, signature: Mapping[str, Any]) -> Ignore:
    """Put a signature in the place of the running task: its result, callbacks, chain and chord are now those of
    the signature's last task. Returns what ends the run."""
    call = request.call
    flow = flow_of(signature)
    if isinstance(flow[-1], Side):
        # A group has no single last task; this one's result is the list.
        flow.append(dict(call_signature(ACCUMULATE, {"index": 0}), immutable=False))
    for each in own_calls(flow):
        add_options(each, {"link_error": many(call.errbacks)})
    if call.stamps:
        # It stands for the task, so what is asked of the task's stamps is asked of it.
        for each in calls_of(flow):
            add_options(each, {NAMES: list(call.stamps), **call.stamps})
    last: Any = flow[-1]
    nesting = {"task_id": call.id, "replaced_task_nesting": call.replaced_task_nesting + 1}
    add_options(last, {"link": many(call.callbacks), **nesting})
    if call.group:
        enroll(flow, call.group, call.chord, call.group_index or 0)
    own = list(flow)
    flow += in_a_row(tuple(reversed(call.chain or ())))
    shared = {"root_id": call.root_id or call.id, "parent_id": call.parent_id}
    new = launch(flow, numbered(f"{notes.line_of(call)}:new"), (), None, shared)
    follow = _sent(app, new, (call.id,))
    request.follow_ups += follow.publish
    request.starts += follow.starts
    request.notes += notes.of_replacement(app, call, own)
    return Ignore("replaced by another task")


def grow_chord(app: TQ, request: Request, signature: Mapping[str, Any], lazy: bool) -> Any:
    """Add one more member to the chord of the running task."""
    call = request.call
    if not call.chord or not call.group:
        raise ValueError(f"task {call.task}[{call.id}] is not a member of a chord")
    flow = flow_of(signature)
    new_ids = numbered(f"{notes.line_of(call)}:member:{len(request.children)}")
    enroll(flow, call.group, call.chord, call.group_index or 0)
    for last in last_calls(flow):
        last["options"].setdefault("task_id", new_ids())
        require_groups(app).grow_group(call.group, last["options"]["task_id"])
    if lazy:
        from tq.canvas.compound import signature_from
        from tq.canvas.flow import as_one

        return signature_from(as_one(flow), app)
    started = launch(flow, new_ids, (), None, _below(request))
    for group in started.groups:
        require_groups(app).start_group(group)
    app.publish_steps(started.steps, {}, follows=True)
    (node,) = started.results
    request.children.append(node.as_tuple())
    return result_of(app, node)
