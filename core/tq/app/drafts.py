"""Calls of one task with the same options: what they have in common is decided once, and their message written once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tq.client.call import CallOptions
from tq.records import Envelope
from tq.request import Request
from tq.wire.ids import new_id
from tq.wire.prepared import Template, template_of

if TYPE_CHECKING:
    from tq.app.sending import Sending
    from tq.app.task import Task

CONSTANT = frozenset(
    {
        "queue",
        "exchange",
        "routing_key",
        "priority",
        "serializer",
        "time_limit",
        "soft_time_limit",
        "ignore_result",
        "retry",
        "timeout",
        "shadow",
    }
)
"""Options that many calls have alike, and whose values can be compared."""


class Draft:
    """Makes the envelopes of such calls."""

    __slots__ = ("_envelope", "_template")

    def __init__(self, template: Template, envelope: Envelope) -> None:
        self._template = template
        self._envelope = envelope

    def envelope(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        task_id: str | None = None,
        index: int | None = None,
    ) -> Envelope:
        """The message of one call. Raises `EncodeError`."""
        message = self._template.message(task_id or new_id(), args, kwargs, index)
        like = self._envelope
        return Envelope(message, like.queue, like.priority, 0.0, like.exchange, like.routing_key, like.unique)


class Seen:
    """The last call of a task, by all that its message depends on but the arguments."""

    __slots__ = ("draft", "drafted", "facts")

    def __init__(self, facts: Any) -> None:
        self.facts = facts
        self.draft: Draft | None = None
        self.drafted = False


def draft_of(
    app: Sending,
    name: str,
    task: Task[..., Any] | None,
    options: CallOptions,
    parent: Request | None,
) -> Draft | None:
    """The draft of calls with these options; None where each has to be looked at by itself.

    `task_id` and `group_index` may differ from call to call. Raises as `Sending.envelope` does.
    """
    if (
        not app.router.by_name
        or options.compression
        or app.conf.task_compression
        or options.unique_for is not None
    ):
        return None
    call, delay = app._call(name, task, (), {}, msgspec.structs.replace(options, task_id=None), parent)
    template = template_of(call, app.serializers[options.serializer or app.conf.task_serializer])
    if template is None or delay:
        return None
    return Draft(template, app._envelope(call, task, delay, options))
