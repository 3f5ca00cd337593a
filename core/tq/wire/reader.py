"""Reads task messages of Celery's protocol 2 and 1, and of the form between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tq.contracts.serializer import Serializer
from tq.errors import ContentDisallowed, DecodeError, InvalidTask, SerializationError
from tq.records import Message
from tq.wire.arrived import Arrived, ArrivedCall
from tq.wire.call import TaskCall
from tq.wire.compression import decompress
from tq.wire.fields import Embed, Headers, encodable, priority_or_none, text_or_none, usable
from tq.wire.isotime import parse_iso
from tq.wire.json import JsonSerializer
from tq.wire.saferepr import saferepr

_NO_EMBED = Embed()
_decode_parts = msgspec.json.Decoder(tuple[list[Any], dict[str, Any], Embed]).decode


def read_task(message: Message, serializers: Mapping[str, Serializer], *, size_limit: int) -> TaskCall:
    """Read a task message of version 2, 1 or the mixed form.

    `serializers` maps the accepted content types to their readers; `size_limit` bounds the
    body's size in bytes, after decompression. Raises `ContentDisallowed`, `DecodeError` and `InvalidTask`, and
    nothing else for any message.
    """
    serializer = serializers.get(message.content_type)
    if serializer is None:
        raise ContentDisallowed(
            f"task {_short(message.headers.get('task'))} has content type {_short(message.content_type)}, which "
            f"accept_content does not allow (allowed: {', '.join(sorted(serializers)) or 'nothing'})"
        )
    if (
        isinstance(message, Arrived)
        and type(serializer) is JsonSerializer
        and len(message.body) <= size_limit
    ):
        call = _plain_call(message, serializer.name)
        if call is not None:
            return call
    body = _body(message, serializer, size_limit)
    if isinstance(body, dict):
        return _from_object(message, body, serializer.name)
    if "task" not in message.headers:
        raise InvalidTask("the message has no task header, and its body is not a task of protocol 1")
    return _from_parts(message, body, serializer.name)


def identify(message: Message) -> tuple[str | None, str | None]:
    """The id and the task name of a message that may be broken, None for what cannot be known."""
    headers, body = message.headers, {}
    if "task" not in headers and message.content_type == JsonSerializer.content_type:
        body = _object_or_nothing(message.body)
    return usable(headers.get("id") or body.get("id")), usable(headers.get("task") or body.get("task"))


def _object_or_nothing(data: bytes) -> dict[str, Any]:
    try:
        found = JsonSerializer().loads(data)
    except DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _plain_call(message: Arrived, serializer: str) -> TaskCall | None:
    """The call of a message whose body is plain too; None for any other body."""
    body = message.body
    if b"__type__" in body:
        return None
    try:
        args, kwargs, embed = _decode_parts(body)
    except (ValueError, RecursionError):
        return None
    head, given = message.head, message.given
    if head.eta is not None:
        parse_iso(head.eta)
    if head.expires is not None:
        parse_iso(head.expires)
    hard, soft = head.timelimit or (None, None)
    return ArrivedCall(
        head.id,
        head.task,
        args,
        kwargs,
        embed.callbacks,
        embed.errbacks,
        embed.chain,
        embed.chord,
        head.eta,
        head.expires,
        head.retries or 0,
        hard,
        soft,
        head.group,
        head.group_index,
        head.root_id or head.id,
        head.parent_id,
        head.shadow,
        head.ignore_result,
        given.reply_to or None,
        given.correlation_id or head.id,
        head.argsrepr,
        head.kwargsrepr,
        head.origin,
        head.replaced_task_nesting or 0,
        head.stamped_headers,
        head.stamps or {},
        given.priority,
        None,  # type: ignore[arg-type]
        None,
        serializer,
        message,
    )


def _body(message: Message, serializer: Serializer, size_limit: int) -> Any:
    body = message.body
    compression = message.headers.get("compression")
    if compression:
        if not isinstance(compression, str):
            raise DecodeError(f"the compression header is {_short(compression)}, not a content type")
        body = decompress(body, compression, limit=size_limit)
    elif len(body) > size_limit:
        raise DecodeError(f"the body has {len(body)} bytes, and message_size_limit is {size_limit}")
    loads_call = getattr(serializer, "loads_call", None)
    try:
        return serializer.loads(body) if loads_call is None else loads_call(body, message.headers)
    except SerializationError:
        raise
    except Exception as exc:  # a serializer that breaks its contract must not take the worker down
        raise DecodeError(f"serializer {serializer.name!r} failed with {exc!r}") from exc


def _from_object(message: Message, body: dict[str, Any], serializer: str) -> TaskCall:
    """Version 1, or the mixed form where the headers win over the body."""
    fields = {**body, "group": body.get("group") or body.get("taskset")}
    if "task" in message.headers:
        fields |= message.headers
    embed = {name: body.get(name) for name in ("callbacks", "errbacks", "chord")}
    return _call(message, fields, body.get("args"), body.get("kwargs"), embed, serializer)


def _from_parts(message: Message, body: Any, serializer: str) -> TaskCall:
    if not isinstance(body, (list, tuple)) or not 2 <= len(body) <= 3:
        raise InvalidTask(f"the body of task {_short(message.headers['task'])} is not [args, kwargs, embed]")
    embed = body[2] if len(body) == 3 else None
    return _call(message, message.headers, body[0], body[1], embed, serializer)


def _call(
    message: Message, fields: dict[str, Any], args: Any, kwargs: Any, embed: Any, serializer: str
) -> TaskCall:
    try:
        head = msgspec.convert(fields, Headers)
        tail = msgspec.convert(embed, Embed) if embed else _NO_EMBED
    except (msgspec.ValidationError, UnicodeError, RecursionError) as exc:
        raise InvalidTask(f"task {_short(fields.get('task'))}[{_short(fields.get('id'))}]: {exc}") from exc
    fault = _fault(head, args, kwargs)
    if fault is not None:
        raise InvalidTask(f"task {head.task!r}[{head.id!r}]: {fault}")
    hard, soft = head.timelimit or (None, None)
    properties = message.properties
    return TaskCall(
        head.id,
        head.task,
        [] if args is None else args,
        kwargs or {},
        tail.callbacks,
        tail.errbacks,
        tail.chain,
        tail.chord,
        head.eta,
        head.expires,
        head.retries or 0,
        hard,
        soft,
        head.group,
        head.group_index,
        head.root_id or head.id,
        head.parent_id,
        text_or_none(head.shadow),
        head.ignore_result,
        usable(properties.get("reply_to") or properties.get("replyTo")),
        usable(properties.get("correlation_id") or properties.get("correlationId")) or head.id,
        text_or_none(head.argsrepr),
        text_or_none(head.kwargsrepr),
        text_or_none(head.origin),
        head.replaced_task_nesting or 0,
        head.stamped_headers,
        head.stamps or {},
        priority_or_none(properties.get("priority")),
        message.headers,
        message.headers.get("compression") or None,
        serializer,
    )


def _fault(head: Headers, args: Any, kwargs: Any) -> str | None:
    """What the types alone do not show."""
    if args is not None and not isinstance(args, (list, tuple)):
        return f"its args are a {type(args).__name__}, not a list"
    if kwargs and not (isinstance(kwargs, dict) and all(isinstance(name, str) for name in kwargs)):
        return "its kwargs are not an object with text as keys"
    for text in (head.id, head.task, head.group, head.root_id, head.parent_id):
        if text is not None and not encodable(text):
            return f"{text!r} holds half a surrogate pair"
    if head.eta is not None:
        parse_iso(head.eta)
    if head.expires is not None:
        parse_iso(head.expires)
    return None


def _short(value: Any) -> str:
    """For errors: what a broken message holds may be megabytes."""
    return saferepr(value, 100)
