"""What follows a task: callbacks, the rest of its chain, the body of its chord, and what never runs any more.

Pure: a call and its outcome in, launches out. Source of the rules: Celery 5.7 `celery.app.trace`,
`Backend.mark_as_failure` and `Backend.on_chord_part_return`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tq.canvas.flow import Flow, Side, calls_of, flow_of, in_a_row
from tq.canvas.kinds import Sig, kind_of, many, options_of
from tq.canvas.launch import Launch, Node, Step, launch
from tq.errors import ChordError
from tq.records import GroupCount, GroupPart
from tq.wire.call import TaskCall

NewId = Callable[[], str]


class Member(msgspec.Struct, frozen=True):
    """A call that belongs to a chord: its end is to be counted, and `body` follows when all have ended."""

    group_id: str
    index: int
    task_id: str
    body: Mapping[str, Any]


class Doomed(msgspec.Struct, frozen=True):
    """Calls that never run, for what had to come before failed: (task id, group id), and those of chords."""

    tasks: tuple[tuple[str, str | None], ...] = ()
    members: tuple[Member, ...] = ()


def after_success(call: TaskCall, value: Any, new_id: NewId) -> Launch:
    """Callbacks, and the next step of the chain, which takes the rest of the chain with it."""
    found = Launch()
    for callback in call.callbacks or ():
        found.add(launch(flow_of(callback), new_id, (value,), None, _of(call)))
    if call.chain:
        found.add(next_step(call.chain, (value,), new_id, _of(call)))
    return found


def next_step(chain: Sequence[Sig], args: Sequence[Any], new_id: NewId, options: Mapping[str, Any]) -> Launch:
    """The last of `chain`, which is the first to run."""
    *rest, following = chain
    if kind_of(following) != "task" or "chain" in (own := options_of(following)):
        return launch(in_a_row(tuple(reversed(chain))), new_id, args, None, options)
    # The usual case: the rest goes on as it came, however long it is.
    task_id = own.get("task_id") or new_id()
    own = {**options, **own, "task_id": task_id}
    if rest:
        own["chain"] = rest
    given = tuple(following.get("args") or ())
    given = given if following.get("immutable") else (*args, *given)
    step = Step(following["task"], given, following.get("kwargs") or {}, own)
    return Launch([step], [], [Node(task_id)])


def errors_of(call: TaskCall, errbacks: Sequence[Sig], new_id: NewId) -> Launch:
    """Error callbacks of the one form get the id of the task that failed."""
    found = Launch()
    for errback in errbacks:
        found.add(launch(flow_of(errback), new_id, (call.id,), None, _of(call)))
    return found


def after_group(body: Sig, count: GroupCount, new_id: NewId) -> Launch:
    """The body of a chord whose members all succeeded."""
    return launch(flow_of(body), new_id, (values_of(count),), None, _from(count))


def failure_of(count: GroupCount) -> ChordError | None:
    """Why the body of a chord cannot run, None where it can."""
    for part in count.parts:
        if part.status != "SUCCESS":
            return ChordError(f"Dependency {part.task_id} raised {_shown(part.result)}")
    return None


def values_of(count: GroupCount) -> list[Any]:
    """The results of a group, nested as its members are. Raises `ChordError` where one is missing."""
    if count.structure is None:
        return [part.result for part in count.parts]
    by_id = {part.task_id: part for part in count.parts}
    values = _nested(count.structure, by_id)
    return values if isinstance(values, list) else [values]


def _nested(structure: Any, by_id: Mapping[str, GroupPart]) -> Any:
    try:
        head, members = structure
        task_id = head[0] if isinstance(head, (list, tuple)) else head
        if members is not None:
            return [_nested(member, by_id) for member in members]
        return by_id[task_id].result
    except (TypeError, ValueError, IndexError, KeyError) as exc:
        raise ChordError(f"the results of the members do not fit the group: {exc!r}") from exc


def body_call(body: Sig, task_id: str) -> TaskCall:
    """A body that never ran, as its error callbacks see it."""
    args, kwargs = body.get("args") or (), body.get("kwargs") or {}
    options = options_of(body)
    return TaskCall(
        id=task_id, task=body["task"], args=args, kwargs=kwargs, root_id=options.get("root_id") or task_id
    )


def errbacks_of_body(body: Sig) -> list[Sig]:
    """The error callbacks of the first task that the body of a chord would run, each once."""
    found: list[Sig] = []
    for call in _first_told(flow_of(body)):
        found += [errback for errback in many(call["options"].get("link_error")) if errback not in found]
    return found


def _first_told(flow: Flow) -> Iterator[Sig]:
    for place, step in enumerate(flow):
        if not isinstance(step, Side):
            yield step
            return
        if place == len(flow) - 1:
            for member in step.members:
                yield from _first_told(member)


def doomed(signatures: Sequence[Sig]) -> Doomed:
    """All calls of signatures that will never be sent."""
    tasks: dict[str, str | None] = {}
    members = []
    for signature in signatures:
        for call in calls_of(flow_of(signature)):
            options = call["options"]
            task_id, group_id = options.get("task_id"), options.get("group_id")
            if task_id:
                tasks[task_id] = group_id
            if task_id and group_id and options.get("chord"):
                members.append(member_of(options, task_id))
    return Doomed(tuple(tasks.items()), tuple(members))


def member_of(options: Mapping[str, Any], task_id: str) -> Member:
    """The place in a chord that options give to a call."""
    index = options.get("group_index")
    return Member(options["group_id"], -1 if index is None else index, task_id, options["chord"])


def _of(call: TaskCall) -> dict[str, Any]:
    return {"root_id": call.root_id or call.id, "parent_id": call.id}


def _from(count: GroupCount) -> dict[str, Any]:
    """The member that came last is the parent."""
    return {"parent_id": count.parts[-1].task_id} if count.parts else {}


def _shown(result: Any) -> str:
    """An exception's document as Python shows the exception."""
    if not isinstance(result, Mapping) or "exc_type" not in result:
        return f"{result!r:.500}"
    message = result.get("exc_message")
    args = message if isinstance(message, (list, tuple)) else (message,)
    return f"{result['exc_type']}({', '.join(repr(arg) for arg in args)})"[:1000]
