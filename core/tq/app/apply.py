"""Workflows run here and now, step by step, without stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tq import states
from tq.app.options import check_call_options
from tq.canvas.flow import Call, Flow, Side, flow_of, last_calls
from tq.client.groups import GroupResult
from tq.errors import ChordError
from tq.records import TaskMeta
from tq.wire.ids import new_id

if TYPE_CHECKING:
    from tq.app.app import TQ
    from tq.canvas.signature import Signature


def apply_canvas(
    app: TQ, signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
) -> Any:
    """Run a canvas in this process."""
    options = dict(options)
    throw = options.pop("throw", None)
    check_call_options(options)
    return apply_flow(app, flow_of(signature.clone(**options)), args, kwargs, throw)


def apply_flow(
    app: TQ,
    flow: Flow,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    throw: bool | None = None,
) -> Any:
    """Run a flow step by step; the result of its last step, or of the one that failed."""
    result: Any = None
    given: tuple[Sequence[Any], Mapping[str, Any]] = (args, kwargs or {})
    for place, step in enumerate(flow):
        result = _apply_step(app, step, *given, throw, result)
        if place < len(flow) - 1:
            if not result.successful():
                return _failed_like(app, flow, result) if isinstance(step, Side) else result
            given = ((result.get(disable_sync_subtasks=False),), {})
    return result


def _apply_step(
    app: TQ,
    step: Call | Side,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    throw: bool | None,
    before: Any,
) -> Any:
    if isinstance(step, Side):
        members = [apply_flow(app, member, args, kwargs, throw) for member in step.members]
        return GroupResult(step.id or new_id(), members, app, parent=before)
    if not step.get("immutable"):
        args = (*args, *(step.get("args") or ()))
        kwargs = {**(step.get("kwargs") or {}), **kwargs}
    else:
        args, kwargs = step.get("args") or (), step.get("kwargs") or {}
    own = {name: value for name, value in step["options"].items() if name != "chord"}
    result = app.task_named(step["task"]).apply(args, kwargs, throw=throw, **app.known_options(own))
    result.parent = before
    return result


def _failed_like(app: TQ, flow: Flow, group: GroupResult) -> Any:
    from tq.client.result import EagerResult

    culprit = next(leaf for leaf in group._leaves() if not leaf.successful())
    error = ChordError(f"Dependency {culprit.id} raised {culprit.result!r}")
    task_id = next(_ids_of(flow), None) or new_id()
    return EagerResult(task_id, app, TaskMeta(task_id, states.FAILURE), error)


def _ids_of(flow: Flow) -> Iterator[str]:
    for call in last_calls(flow):
        if task_id := call["options"].get("task_id"):
            yield task_id
