"""What a retry changes in a call."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tq.app import models
from tq.client.call import CallOptions, signatures
from tq.policy.times import end_of, iso
from tq.wire.call import TaskCall
from tq.wire.saferepr import saferepr

if TYPE_CHECKING:
    from tq.app.task import Task


def following(
    task: Task[..., Any],
    call: TaskCall,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    said: CallOptions,
    now: float,
    zone: dt.tzinfo,
) -> TaskCall:
    """The call that a retry sends: the same id, one more retry, and what the retry says otherwise."""
    if task.pydantic:
        new_args, new_kwargs = models.dump_arguments(args or (), kwargs or {})
        args, kwargs = None if args is None else new_args, None if kwargs is None else new_kwargs
    changes: dict[str, Any] = {"retries": call.retries + 1, "parent_id": call.id}
    changes["root_id"] = call.root_id or call.id
    if args is not None:
        changes |= {"args": args, "argsrepr": _repr_of(args, call.args, call.argsrepr)}
    if kwargs is not None:
        changes |= {"kwargs": kwargs, "kwargsrepr": _repr_of(kwargs, call.kwargs, call.kwargsrepr)}
    if said.expires is not None:
        changes["expires"] = iso(end_of(said.expires, now, zone) or now)
    for name in ("time_limit", "soft_time_limit", "ignore_result", "shadow", "priority"):
        if (value := getattr(said, name)) is not None:
            changes[name] = value
    if said.headers:
        changes["headers"] = {**call.headers, **said.headers}
    if said.link is not None:
        changes["callbacks"] = signatures(said.link, "link")
    if said.link_error is not None:
        changes["errbacks"] = signatures(said.link_error, "link_error")
    return msgspec.structs.replace(call, **changes)


def _repr_of(value: Any, before: Any, text: str | None) -> str:
    """What logs and events show of arguments that a retry changes; a text that the caller chose hides these too."""
    forms = (before, tuple(before)) if isinstance(before, list) else (before,)
    return saferepr(value) if text is None or text in map(saferepr, forms) else text
