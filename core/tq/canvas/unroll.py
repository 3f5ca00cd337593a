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
    options = _merged(_renamed(signature.get("options") or {}), options or {})
    if kind in (None, "map", "starmap", "xmap", "xstarmap"):
        own = tuple(signature.get("args") or ())
        head = () if signature.get("immutable") else tuple(args)
        return [Step(signature["task"], head + own, signature.get("kwargs") or {}, options)]
    if kind == "chain":
        return _chain(signature, args, options)
    if kind == "group":
        return _group(signature, args, options)
    raise InvalidTask(f"a {kind} cannot follow a task yet: {signature!r:.200}")


def _chain(signature: Mapping[str, Any], args: Sequence[Any], options: Mapping[str, Any]) -> list[Step]:
    """What is said of a chain as a whole holds for its last task (id, link), or for all of them (link_error)."""
    members = [dict(member) for member in _tasks(signature)]
    options = dict(options)
    last = {name: options.pop(name) for name in ("task_id", "link") if options.get(name)}
    errbacks = _many(options.pop("link_error", None))
    for member in members:
        if errbacks:
            _extend(member, link_error=errbacks)
    _extend(members[-1], **last)
    first, *rest = members
    if rest:
        # On the wire the next step of a chain is the last of the list.
        options["chain"] = [*options.get("chain", ()), *reversed(rest)]
    return steps_of(first, args, options)


def _group(signature: Mapping[str, Any], args: Sequence[Any], options: Mapping[str, Any]) -> list[Step]:
    if options.get("chain") or options.get("chord"):
        # Each member would go on by itself, with its own result instead of the list of all.
        raise InvalidTask(f"a task after a group needs a chord, which is not there yet: {signature!r:.200}")
    shared = {name: value for name, value in options.items() if name not in ("task_id", "link")}
    if options.get("link"):
        raise InvalidTask(f"a group cannot have a link; give it to its tasks: {signature!r:.200}")
    return [step for member in _tasks(signature) for step in steps_of(member, args, shared)]


def _extend(member: dict[str, Any], **more: Any) -> None:
    """Add options to a copied signature: lists of callbacks grow, all else is replaced."""
    options = dict(member.get("options") or {})
    for name, value in more.items():
        options[name] = [*_many(options.get(name)), *_many(value)] if name in _CALLBACKS else value
    member["options"] = options


def _many(value: Any) -> Sequence[Any]:
    if not value:
        return ()
    return (value,) if isinstance(value, Mapping) else tuple(value)


_CALLBACKS = frozenset({"link", "link_error"})


def _tasks(signature: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    tasks = (signature.get("kwargs") or {}).get("tasks")
    if not tasks:
        raise InvalidTask(f"an empty {signature.get('subtask_type')}: {signature!r:.200}")
    return tuple(tasks)


def _merged(own: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**own, **more}
    for name in _CALLBACKS & own.keys() & more.keys():
        merged[name] = [*_many(own[name]), *_many(more[name])]
    return merged


def _of(call: TaskCall) -> dict[str, Any]:
    return {"root_id": call.root_id or call.id, "parent_id": call.id}


def _renamed(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a signature, without the empty places that clients freeze into them."""
    return {key: value for key, value in options.items() if key not in ("chain", "chord") or value}
