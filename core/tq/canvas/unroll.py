"""What follows a task: callbacks, error callbacks and the rest of its chain, as single calls.

Pure: signatures and an outcome in, calls out. Source of the rules: Celery 5.7 `celery.app.trace` and
`Backend.mark_as_failure`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tq.errors import InvalidTask
from tq.wire.call import TaskCall


class Step(msgspec.Struct, frozen=True):
    """One call to send, with the options of its signature (as `apply_async` takes them)."""

    task: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    options: Mapping[str, Any]


def after_success(call: TaskCall, value: Any) -> list[Step]:
    """Callbacks, and the next step of the chain, which takes the rest of the chain with it."""
    steps = [step for callback in call.callbacks or () for step in steps_of(callback, (value,), _of(call))]
    if call.chain:
        *rest, following = call.chain
        options = {**_of(call), **({"chain": rest} if rest else {})}
        if call.chord is not None:
            options["chord"] = call.chord
        steps.extend(steps_of(following, (value,), options))
    return steps


def after_failure(call: TaskCall) -> list[Step]:
    """Error callbacks get the id of the task that failed."""
    return [step for errback in call.errbacks or () for step in steps_of(errback, (call.id,), _of(call))]


def steps_of(
    signature: Mapping[str, Any], args: Sequence[Any], options: Mapping[str, Any] | None = None
) -> list[Step]:
    """The calls that a signature sends at once. `args` come first unless it is immutable."""
    if not isinstance(signature, Mapping) or not isinstance(signature.get("task"), str):
        raise InvalidTask(f"not a signature: {signature!r:.200}")
    kind = signature.get("subtask_type")
    options = {**_renamed(signature.get("options") or {}), **(options or {})}
    if kind in (None, "map", "starmap", "xmap", "xstarmap"):
        own = tuple(signature.get("args") or ())
        head = () if signature.get("immutable") else tuple(args)
        return [Step(signature["task"], head + own, signature.get("kwargs") or {}, options)]
    if kind == "chain":
        return _chain(signature, args, options)
    if kind == "group":
        return [step for member in _tasks(signature) for step in steps_of(member, args, options)]
    raise InvalidTask(f"a {kind} cannot follow a task yet: {signature!r:.200}")


def _chain(signature: Mapping[str, Any], args: Sequence[Any], options: Mapping[str, Any]) -> list[Step]:
    first, *rest = _tasks(signature)
    if not rest:
        return steps_of(first, args, options)
    # On the wire the next step of a chain is the last of the list.
    remaining = [*options.get("chain", ()), *reversed(rest)]
    return steps_of(first, args, {**options, "chain": remaining})


def _tasks(signature: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    tasks = (signature.get("kwargs") or {}).get("tasks")
    if not tasks:
        raise InvalidTask(f"an empty {signature.get('subtask_type')}: {signature!r:.200}")
    return tuple(tasks)


def _of(call: TaskCall) -> dict[str, Any]:
    return {"root_id": call.root_id or call.id, "parent_id": call.id}


def _renamed(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that clients freeze into signatures and that a call takes under the same or no name."""
    return {key: value for key, value in options.items() if key not in ("chain", "chord") or value}
