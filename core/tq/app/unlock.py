"""`celery.chord_unlock`: chords of Celery's clients on stores where Celery itself asks again and again whether the
members have ended (SQL, memcached and others).

Source of name, arguments and pauses: Celery 5.7 `celery.app.builtins` and `Backend.fallback_chord_unlock`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tq import states
from tq.app.flows import after_chord
from tq.canvas.flow import calls_of
from tq.canvas.record import flow_of_tuple
from tq.errors import ImproperlyConfigured
from tq.records import GroupCount, GroupPart, TaskMeta
from tq.request import current_request

if TYPE_CHECKING:
    from tq.app.app import TQ
    from tq.app.task import Task

INTERVAL = 1.0
"""Seconds between two looks, where the message says nothing."""


def unlock_chord(
    app: TQ,
    task: Task[..., Any],
    group_id: str,
    callback: Mapping[str, Any],
    interval: float | None,
    max_retries: int | None,
    result: Sequence[Any],
) -> None:
    """Send the body when all members have ended, or its failure when one has failed; else look again later."""
    backend, request = app.backend, current_request.get()
    if backend is None or request is None:
        raise ImproperlyConfigured("celery.chord_unlock runs in workers that have a result backend")
    ids = [call["options"]["task_id"] for member in result for call in calls_of(flow_of_tuple(member)[-1:])]
    metas = backend.get(ids)
    parts = [_part(group_id, place, metas[each]) for place, each in enumerate(ids) if _ended(metas.get(each))]
    failed = [part for part in parts if part.status != states.SUCCESS]
    if not failed and len(parts) < len(ids):
        task.retry(countdown=INTERVAL if interval is None else interval, max_retries=max_retries)
    members = [flow_member(member) for member in result]
    follow = after_chord(
        app, callback, group_id, GroupCount(True, tuple(failed or parts), [[group_id, None], members])
    )
    if follow.ends:
        backend.store(follow.ends)
    request.follow_ups += follow.publish
    request.starts += follow.starts


def flow_member(member: Any) -> Any:
    """A member's result without what ran before it."""
    head, members = member
    task_id = head[0] if isinstance(head, (list, tuple)) else head
    return [[task_id, None], None if members is None else [flow_member(each) for each in members]]


def _ended(meta: TaskMeta | None) -> bool:
    return meta is not None and meta.status in states.READY_STATES


def _part(group_id: str, place: int, meta: TaskMeta) -> GroupPart:
    return GroupPart(group_id, place, meta.task_id, meta.status, meta.result)
