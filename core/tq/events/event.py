"""Events on the wire: JSON objects, several task events of a worker together in a list.

Exchange `celeryev`; the routing key is the type with dots (`worker.heartbeat`), and `task.multi` for a list. Source:
Celery 5.7 event protocol.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from tq.errors import DecodeError, EncodeError
from tq.events.steps import TaskEvent, as_event
from tq.records import Message
from tq.wire.json import JsonSerializer
from tq.wire.saferepr import saferepr

Event = dict[str, Any]
Written = bytes | tuple[str, bytes]
"""A task event, or the routing key of another and what it says."""
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


def utc_offset() -> float:
    """Hours that this machine's clock is west of UTC; what Celery's monitors expect in `utcoffset`."""
    return (time.altzone if time.localtime().tm_isdst else time.timezone) / 3600


def written(event: Event | TaskEvent) -> Written:
    """One event, ready to be put into a message. Raises `EncodeError` for fields that have no form in JSON."""
    if isinstance(event, TaskEvent):
        return encoded(event)
    raw = encoded(event)
    return raw if event["type"].startswith("task-") else (event["type"].replace("-", "."), raw)


def encoded(event: Event | TaskEvent) -> bytes:
    """Its JSON. Raises `EncodeError`."""
    try:
        return _encode(event)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _escaped(event)


def messages(events: Iterable[Written], hostname: str) -> list[tuple[str, Message]]:
    """Routing keys and messages: task events in lists, any other by itself."""
    out: list[tuple[str, Message]] = []
    batch: list[bytes] = []
    for event in events:
        if isinstance(event, bytes):
            batch.append(event)
        else:
            out.append((event[0], message_of(event[1], hostname)))
    for at in range(0, len(batch), MOST):
        out.append((MULTI, message_of(b"[%b]" % b",".join(batch[at : at + MOST]), hostname)))
    return out


def message_of(body: bytes, hostname: str) -> Message:
    """One message."""
    return Message({"hostname": hostname}, {"delivery_mode": 1}, body)


def _escaped(event: Event | TaskEvent) -> bytes:
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
