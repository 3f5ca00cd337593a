"""Calls of one task with the same options: what they have in common is decided once, and their message written once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tq.canvas.launch import Step
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
    """The last call, by `facts`: all that its message depends on but the arguments. Calls like it share a draft."""

    __slots__ = ("_draft", "_drafted", "facts")

    def __init__(self, facts: Any) -> None:
        self.facts = facts
        self._draft: Draft | None = None
        self._drafted = False

    def draft(self, make: Callable[[], Draft | None]) -> Draft | None:
        """The draft of calls like this one, made when the second of them comes; None where there can be none."""
        if not self._drafted:
            self._drafted = True
            self._draft = make()
        return self._draft


class Drafts:
    """Envelopes of steps, of which those that differ in ids, arguments and places alone share a draft.

    `alone` makes the envelope of one step by itself, `draft` the draft of steps like it, where there can be one.
    """

    def __init__(
        self,
        app: Sending,
        alone: Callable[[Step], Envelope],
        draft: Callable[[Step, Task[..., Any] | None], Draft | None],
    ) -> None:
        self._app = app
        self._alone = alone
        self._make = draft
        self._last: Seen | None = None

    def envelope(self, step: Step) -> Envelope:
        """The envelope that `alone` would make; raises what it would raise."""
        if self._last is None or not _alike(step, self._last.facts):
            self._last = Seen(step)
            return self._alone(step)
        task = self._app.tasks.get(step.task)
        draft = self._last.draft(
            lambda: None if task is not None and task.pydantic else self._make(step, task)
        )
        if draft is None:
            return self._alone(step)
        if task is not None:
            self._app.check_arguments(task, step.args, step.kwargs)
        options = step.options
        return draft.envelope(step.args, step.kwargs, options.get("task_id"), options.get("group_index"))


_OWN: Mapping[str, type] = {"task_id": str, "group_index": int}
_COMPARED = frozenset({str, int, float, bool})


def _alike(step: Step, last: Step) -> bool:
    options, others = step.options, last.options
    if step.task != last.task or options.keys() != others.keys():
        return False
    for name, value in options.items():
        if name in _OWN:
            if type(value) is not _OWN[name]:
                return False
        elif value is not others[name] and not (
            type(value) in _COMPARED and type(others[name]) in _COMPARED and value == others[name]
        ):
            return False
    return True


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
