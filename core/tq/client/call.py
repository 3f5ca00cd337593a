"""From the options of `apply_async` to a call on the wire: pure, one record in, one out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tq.canvas.stamps import NAMES, apart
from tq.errors import InvalidTask
from tq.policy.times import end_of, iso, start_of
from tq.request import Request
from tq.wire.call import TaskCall
from tq.wire.ids import new_id


class CallOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All options of `apply_async` and `send_task`, by Celery's names.

    `countdown`, `expires`, limits in seconds; `eta` and `expires` may be datetimes or ISO text. `unique`:
    where the broker can, a second call with this `task_id` is no second message. `unique_for`: for so many seconds,
    while the first one waits or runs, a call of the same task with the same arguments, or the same `unique_key`, is
    no second message but the result of the first; not for members of canvases. `stamps`: what the options that
    `stamped_headers` names say (`call_options` reads them).
    """

    task_id: str | None = None
    countdown: Any = None
    eta: Any = None
    expires: Any = None
    queue: Any = None
    exchange: Any = None
    exchange_type: Any = None
    routing_key: str | None = None
    priority: int | None = None
    serializer: str | None = None
    compression: str | None = None
    headers: Mapping[str, Any] | None = None
    link: Any = None
    link_error: Any = None
    retry: bool | None = None
    retry_policy: Mapping[str, Any] | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    ignore_result: bool | None = None
    shadow: str | None = None
    reply_to: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    group_index: int | None = None
    chain: Any = None
    chord: Any = None
    retries: int = 0
    replaced_task_nesting: int = 0
    delivery_mode: Any = None
    add_to_parent: bool = True
    argsrepr: str | None = None
    kwargsrepr: str | None = None
    stamped_headers: list[str] | None = None
    unique: bool = False
    unique_for: float | None = None
    unique_key: Any = None
    timeout: float | None = None
    stamps: dict[str, Any] = {}


CALL_OPTIONS = frozenset(CallOptions.__struct_fields__) - {"stamps"}
ROUTING = ("queue", "exchange", "exchange_type", "routing_key", "priority")
NO_OPTIONS = CallOptions()


def call_options(given: Mapping[str, Any]) -> CallOptions:
    """Options as a record; those that `stamped_headers` names are stamps, and may be options as well."""
    if not given.get(NAMES):
        return CallOptions(**given)
    rest, stamps = apart(given)
    also = {name: value for name, value in stamps.items() if name in CALL_OPTIONS}
    return CallOptions(**{**rest, **also, NAMES: list(stamps), "stamps": stamps})


def make_call(
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: CallOptions,
    *,
    now: float,
    reply_to: str | None,
    ignore_result: bool | None = False,
    parent: Request | None = None,
    zone: dt.tzinfo = dt.UTC,
) -> tuple[TaskCall, float]:
    """The call, and the seconds until it shall start (0: at once).

    Called from within a task (`parent`), the call belongs to that task's tree. Raises `InvalidTask` for a
    wrong eta, expires, priority or id.
    """
    task_id = options.task_id or new_id()
    if not isinstance(task_id, str):
        raise InvalidTask(f"task_id must be text, not {type(task_id).__name__}")
    check_priority(options.priority, name)
    if options is NO_OPTIONS and parent is None:
        return TaskCall(
            task_id, name, args, kwargs, root_id=task_id, ignore_result=ignore_result, reply_to=reply_to
        ), 0.0
    start = start_of(options.countdown, options.eta, now, zone)
    end = end_of(options.expires, now, zone)
    root = options.root_id or (parent and (parent.call.root_id or parent.id)) or task_id
    call = TaskCall(
        task_id,
        name,
        args,
        kwargs,
        callbacks=signatures(options.link, "link"),
        errbacks=signatures(options.link_error, "link_error"),
        chain=signatures(options.chain, "chain"),
        chord=options.chord,
        eta=None if start is None else iso(start),
        expires=None if end is None else iso(end),
        retries=options.retries,
        time_limit=options.time_limit,
        soft_time_limit=options.soft_time_limit,
        group=options.group_id,
        group_index=options.group_index,
        root_id=root,
        parent_id=options.parent_id or (parent.id if parent else None),
        shadow=options.shadow,
        ignore_result=ignore_result if options.ignore_result is None else options.ignore_result,
        reply_to=options.reply_to or reply_to,
        argsrepr=options.argsrepr,
        kwargsrepr=options.kwargsrepr,
        replaced_task_nesting=options.replaced_task_nesting,
        stamped_headers=options.stamped_headers,
        stamps=options.stamps,
        priority=options.priority,
        headers=options.headers or {},
    )
    return call, 0.0 if start is None else max(0.0, start - now)


def check_priority(priority: Any, name: str) -> None:
    """Raises `InvalidTask` for a priority that no broker could keep."""
    if priority is None:
        return
    if type(priority) is not int or not 0 <= priority <= 9:
        raise InvalidTask(f"task {name!r}: priority is 0 to 9 (9 the most urgent), not {priority!r}")


def signatures(value: Any, what: str) -> list[dict[str, Any]] | None:
    """One signature or several as a list, None for none. Raises `InvalidTask` for anything else."""
    if not value:
        return None
    many = [value] if isinstance(value, Mapping) else list(value)
    for item in many:
        if not isinstance(item, Mapping):
            raise InvalidTask(f"{what} takes signatures (task.s(...)), not {type(item).__name__}")
    return [dict(item) for item in many]
