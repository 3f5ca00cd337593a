"""Events on the wire: JSON objects, several task events of a worker together in a list.

Exchange `celeryev`; the routing key is the type with dots (`worker.heartbeat`), and `task.multi` for a list. Source:
Celery 5.7 event protocol.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tq.errors import DecodeError, EncodeError
from tq.events.steps import TaskEvent, as_event
from tq.records import Message
from tq.wire.json import JsonSerializer
from tq.wire.saferepr import saferepr

Event = dict[str, Any]
Written = TaskEvent | msgspec.Raw | tuple[str, bytes]
"""A task event as a record or in JSON, or the routing key of another event and its JSON."""
EXCHANGE: Final = "celeryev"
EVERYTHING: Final = "#"
"""The pattern of all routing keys."""
MULTI: Final = "task.multi"
MOST: Final = 500
"""Events of one message."""
LONGEST_TEXT: Final = 16384
"""Characters of a traceback that are kept; its end says most."""

_encode = msgspec.json.Encoder(enc_hook=saferepr).encode
_json: Final = JsonSerializer()
_NO_FORM: Final = (TypeError, ValueError, OverflowError, RecursionError)
"""What the encoder raises."""


def utc_offset() -> float:
    """Hours that this machine's clock is west of UTC; what Celery's monitors expect in `utcoffset`."""
    return (time.altzone if time.localtime().tm_isdst else time.timezone) / 3600


def written(event: Event) -> Written:
    """One event, written at once, for its fields may change. Raises `EncodeError` where they have no form in JSON."""
    raw = encoded(event)
    kind: str = event["type"]
    return msgspec.Raw(raw) if kind.startswith("task-") else (kind.replace("-", "."), raw)


def encoded(event: Event | TaskEvent | msgspec.Raw) -> bytes:
    """Its JSON. Raises `EncodeError`."""
    try:
        return _encode(event)
    except _NO_FORM:
        return _escaped(event)


def messages(events: Sequence[Written], hostname: str) -> list[tuple[str, Message]]:
    """Routing keys and messages: task events in lists, any other by itself."""
    others = [event for event in events if type(event) is tuple]
    batch = [event for event in events if type(event) is not tuple] if others else events
    out = [(key, message_of(raw, hostname)) for key, raw in others]
    for at in range(0, len(batch), MOST):
        out.append((MULTI, message_of(_list_of(batch[at : at + MOST]), hostname)))
    return out


def _list_of(batch: Sequence[Written]) -> bytes:
    try:
        return _encode(batch)
    except _NO_FORM:
        return b"[%b]" % b",".join(map(encoded, batch))  # type: ignore[arg-type]


def message_of(body: bytes, hostname: str) -> Message:
    """One message."""
    return Message({"hostname": hostname}, {"delivery_mode": 1}, body)


def _escaped(event: Event | TaskEvent | msgspec.Raw) -> bytes:
    """By the standard library, which writes lone surrogates and numbers of any size."""
    try:
        return json.dumps(event, default=_plain).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise EncodeError(f"an event cannot be written as JSON: {exc}") from exc


def _plain(value: object) -> object:
    return as_event(value) if isinstance(value, TaskEvent) else saferepr(value)


def events_of(message: Message) -> list[Event]:
    """The events of a message; what is no event is left out. Raises `DecodeError` where it is not JSON."""
    if message.content_type != "application/json":
        raise DecodeError(f"events come as application/json, not {message.content_type!r}")
    content = _json.loads(message.body)
    many = content if isinstance(content, list) else [content]
    return [event for event in many if isinstance(event, dict) and isinstance(event.get("type"), str)]


def shortened(text: str) -> str:
    """The end of a long text."""
    return text if len(text) <= LONGEST_TEXT else f"...{text[-LONGEST_TEXT:]}"
