"""The JSON envelope of kombu's virtual transports: how a message lies in Redis, SQL, SQS and the like.

    {"body": base64, "content-encoding", "content-type", "headers": {}, "properties": {..., "delivery_info":
    {"exchange", "routing_key"}, "priority", "body_encoding": "base64", "delivery_tag"}}

Source: kombu 5.7, `kombu.transport.virtual.base.Channel.basic_publish` and `prepare_message`.
"""

from __future__ import annotations

import binascii
import json
from typing import Any

import msgspec

from tq.errors import EncodeError
from tq.records import Envelope, Message, Notice, Undecodable
from tq.wire.arrived import arrive
from tq.wire.ids import new_id
from tq.wire.prepared import Prepared, Template
from tq.wire.saferepr import saferepr

PARKED = "tq_parked"
"""A property that says: the broker keeps this message until its `eta`, so a reader must not wait again."""
READY_AT = "tq_ready_at"
"""A property, the last one: the unix time at which the message was sent, or will be due, by its sender's clock."""


class _Out(
    msgspec.Struct,
    frozen=True,
    rename={"content_encoding": "content-encoding", "content_type": "content-type"},
):
    body: bytes
    content_encoding: str
    content_type: str
    headers: dict[str, Any]
    properties: dict[str, Any]


class _In(
    msgspec.Struct,
    frozen=True,
    rename={"content_encoding": "content-encoding", "content_type": "content-type"},
):
    body: str | None = None
    content_encoding: str | None = None
    content_type: str | None = None
    headers: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None


_encode = msgspec.json.Encoder().encode
_READY_AT = READY_AT.encode()
_decode = msgspec.json.Decoder(_In).decode


def pack(envelope: Envelope, *, parked: bool | None = None, ready_at: float | None = None) -> bytes:
    """Write the JSON envelope. `parked` says whether the broker itself keeps the delay (default: it does);
    `ready_at` becomes the property of that name, for brokers that cannot know it otherwise.

    Raises `EncodeError` where a header or property has no JSON form.
    """
    message = envelope.message
    parks = envelope.delay > 0 if parked is None else parked
    if type(message) is Prepared and not parks and message.untouched and message.template is not None:
        filled = _fill(envelope, message, message.template, ready_at)
        if filled is not None:
            return filled
    properties = {**message.properties, **_added(envelope, new_id())}
    if parks:
        properties[PARKED] = True
    if ready_at is not None:
        # A message that is sent again carries that of before, elsewhere.
        properties.pop(READY_AT, None)
        properties[READY_AT] = _to_milliseconds(ready_at)
    out = _Out(message.body, message.content_encoding, message.content_type, message.headers, properties)
    try:
        return _encode_any(out)
    except (TypeError, ValueError, UnicodeError, RecursionError) as exc:
        raise EncodeError(
            f"a header of task {message.headers.get('task')!r} has no JSON form: {exc}"
        ) from exc


def _to_milliseconds(moment: float) -> float:
    # `round` takes ten times as long.
    return int(moment * 1000 + 0.5) / 1000


def _added(envelope: Envelope, tag: str) -> dict[str, Any]:
    """The properties that a message gets on its way."""
    return {
        "delivery_info": {
            "exchange": envelope.exchange,
            "routing_key": envelope.routing_key or envelope.queue,
        },
        "priority": envelope.priority or 0,
        "body_encoding": "base64",
        "delivery_tag": tag,
    }


def _fill(envelope: Envelope, message: Prepared, template: Template, ready_at: float | None) -> bytes | None:
    """What the message says that others of its template do not, and the rest. None where something in it, such as
    lone surrogates, needs the long way."""
    place = envelope.exchange, envelope.routing_key, envelope.queue, envelope.priority
    written = template.written
    try:
        if written[0] != place:
            written = template.written = place, _blank(envelope, message, template)
        task_id = _encode(message.id)
        args, kwargs = _encode(message.argsrepr), _encode(message.kwargsrepr)
    except (TypeError, ValueError, RecursionError):
        return None
    index = b"null" if message.index is None else b"%d" % message.index
    return written[1] % (
        binascii.b2a_base64(message.body, newline=False),
        task_id,
        index,
        *((task_id,) if template.own_root else ()),
        args,
        kwargs,
        task_id,
        new_id().encode(),
        b"" if ready_at is None else b',"%b":%b' % (_READY_AT, _encode(_to_milliseconds(ready_at))),
    )


def _blank(envelope: Envelope, message: Prepared, template: Template) -> bytes:
    """The envelope with a `%b` for each thing in which messages of the template differ, in their order."""
    marks = [f'"{new_id()}"' for _ in range(6)]
    own, index, args, kwargs, correlation, tag = (mark.strip('"') for mark in marks)
    model = Prepared(b"", b"", b"", template=template, id=own, argsrepr=args, kwargsrepr=kwargs)  # type: ignore[arg-type]
    headers = template.headers_of(model) | {"group_index": index}
    properties = {**template.properties_of(correlation), **_added(envelope, tag)}
    out = _Out(b"", message.content_encoding, message.content_type, headers, properties)
    text = _encode(out).replace(b"%", b"%%").replace(b'{"body":""', b'{"body":"%b"', 1)
    for mark in marks[:-1]:
        text = text.replace(mark.encode(), b"%b")
    return text.removesuffix(b"}}").replace(tag.encode(), b"%b") + b"%b}}"


def pack_notice(notice: Notice) -> bytes:
    """Write the JSON envelope of an announcement. Raises `EncodeError` as `pack` does."""
    message = notice.message
    properties = {
        **message.properties,
        "delivery_info": {"exchange": notice.channel.name, "routing_key": notice.routing_key},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": new_id(),
    }
    out = _Out(message.body, message.content_encoding, message.content_type, message.headers, properties)
    try:
        return _encode_any(out)
    except (TypeError, ValueError, UnicodeError, RecursionError) as exc:
        raise EncodeError(f"a header of an announcement has no JSON form: {exc}") from exc


def _encode_any(out: _Out) -> bytes:
    try:
        return _encode(out)
    except UnicodeEncodeError:
        # Lone surrogates: Celery copies them from arguments into argsrepr, escaped as the standard library does.
        return json.dumps(msgspec.to_builtins(out)).encode("ascii")


def unpack(raw: bytes) -> Message | Undecodable:
    """Read a JSON envelope; never raises, for a queue may hold anything."""
    try:
        return arrive(raw)
    except (ValueError, RecursionError):
        return _unpack_any(raw)


def _unpack_any(raw: bytes) -> Message | Undecodable:
    try:
        return _message(_decode(raw))
    except (msgspec.DecodeError, RecursionError):
        return _unpack_lenient(raw)
    except (ValueError, UnicodeError) as exc:
        return Undecodable(raw, f"not a message envelope: {exc}")


def _unpack_lenient(raw: bytes) -> Message | Undecodable:
    """The standard library also reads NaN and lone surrogates, which Python producers can write."""
    try:
        return _message(msgspec.convert(json.loads(raw), _In))
    except (ValueError, RecursionError) as exc:
        return Undecodable(raw, f"not a message envelope: {exc}")


def _message(read: _In) -> Message:
    if read.body is None or (read.headers is None and read.properties is None):
        raise ValueError("it has no body, or neither headers nor properties")
    properties = read.properties or {}
    encoding = properties.get("body_encoding")
    if encoding == "base64":
        body = binascii.a2b_base64(read.body, strict_mode=True)
    elif encoding is None or (isinstance(encoding, str) and encoding.lower() == "utf-8"):
        body = read.body.encode("utf-8", "surrogatepass")
    else:
        raise ValueError(f"unknown body_encoding {saferepr(encoding, 100)}")
    return Message(
        read.headers or {},
        properties,
        body,
        read.content_type or "application/json",
        read.content_encoding or "utf-8",
    )
