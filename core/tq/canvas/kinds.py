"""What kind of signature a dictionary is; its composite forms have names and places of Celery's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tq.errors import InvalidTask

Sig = Mapping[str, Any]
_COMPOSITE = frozenset({"chain", "group", "chord", "chunks"})
_BY_TASK = {f"celery.{kind}": kind for kind in _COMPOSITE}


def kind_of(signature: Any) -> str:
    """ "task", "chain", "group", "chord" or "chunks". Raises `InvalidTask` for what is no signature."""
    # Nearly all are dictionaries, and asking for those first spares the slow question.
    if not isinstance(signature, (dict, Mapping)) or not isinstance(signature.get("task"), str):
        raise InvalidTask(f"not a signature: {signature!r:.200}")
    kind = signature.get("subtask_type")
    if kind in _COMPOSITE:
        return str(kind)
    return _BY_TASK.get(signature["task"], "task")


def options_of(signature: Sig) -> dict[str, Any]:
    """A copy of its options, without the empty places that clients freeze into them."""
    options = signature.get("options") or {}
    return {name: value for name, value in options.items() if name not in ("chain", "chord") or value}


def tasks_of(signature: Sig) -> tuple[Sig, ...]:
    """The steps of a chain or the members of a group."""
    return _many_of(signature, (signature.get("kwargs") or {}).get("tasks"))


def header_of(signature: Sig) -> Sig:
    """The header of a chord, as a group."""
    header = (signature.get("kwargs") or {}).get("header")
    if isinstance(header, Mapping) and kind_of(header) == "group":
        return header
    return group_signature([header] if isinstance(header, Mapping) else _many_of(signature, header))


def body_of(signature: Sig) -> Sig | None:
    """The body of a chord."""
    body: Sig | None = (signature.get("kwargs") or {}).get("body")
    return body


def pieces_of(signature: Sig) -> Sig:
    """The group that chunks stand for: each member maps its piece of the list."""
    kwargs = signature.get("kwargs") or {}
    items, size = list(kwargs.get("it") or ()), int(kwargs.get("n") or 0)
    if size < 1:
        raise InvalidTask(f"chunks need a size of at least 1: {signature!r:.200}")
    parts = [items[at : at + size] for at in range(0, len(items), size)]
    made = [call_signature("celery.starmap", {"task": kwargs.get("task"), "it": part}) for part in parts]
    return group_signature(made)


def call_signature(task: str, kwargs: Mapping[str, Any], kind: str | None = None) -> dict[str, Any]:
    """A signature that takes no result of a task before it, unless it is composite."""
    return {
        "task": task,
        "args": [],
        "kwargs": dict(kwargs),
        "options": {},
        "subtask_type": kind,
        "immutable": kind is None,
    }


def group_signature(members: Sequence[Sig]) -> dict[str, Any]:
    """A group."""
    return call_signature("celery.group", {"tasks": list(members)}, "group")


def chain_signature(steps: Sequence[Sig]) -> dict[str, Any]:
    """A chain; of one step that step itself."""
    if len(steps) == 1:
        return dict(steps[0])
    return call_signature("celery.chain", {"tasks": list(steps)}, "chain")


def chord_signature(header: Sig, body: Sig) -> dict[str, Any]:
    """A chord."""
    return call_signature("celery.chord", {"header": header, "body": body, "kwargs": {}}, "chord")


def many(value: Any) -> tuple[Any, ...]:
    """One signature or several, or none, as a tuple."""
    if not value:
        return ()
    return (value,) if isinstance(value, Mapping) else tuple(value)


def _many_of(signature: Sig, found: Any) -> tuple[Sig, ...]:
    if found is None or isinstance(found, (str, Mapping)) or not hasattr(found, "__iter__"):
        raise InvalidTask(f"it has no list of tasks: {signature!r:.200}")
    return tuple(found)
