"""Celery's task message protocol: reads versions 1, 2 and the mixed form, writes version 2.

Version 2 keeps what is known about a call in the headers and `[args, kwargs, embed]` in the body; version 1
keeps all of it in a body that is one object. Source: Celery 5.7, `celery.app.amqp` and
`celery.worker.strategy`.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from tq.contracts.serializer import Serializer
from tq.errors import ContentDisallowed, DecodeError, InvalidTask, SerializationError
from tq.records import Message
from tq.wire.compression import compress, decompress
from tq.wire.json import JsonSerializer
from tq.wire.saferepr import saferepr

MAX_NAME = 1024
"""Characters a task name and a task id may have."""

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Seconds = int | float | None
_Signatures = list[dict[str, Any]] | None


class TaskCall(msgspec.Struct, frozen=True):
    """One call of a task, read from a message or to be written to one.

    Durations are seconds; `eta` and `expires` are ISO 8601 text (`parse_iso` reads them). `chain` holds the
    rest of a chain with the next step last. `ignore_result` None: the message does not say.
    `headers` are all headers as received; for writing, the user's own (the protocol's fields win over them).
    `serializer` is the name of what the body was read with.
    """

    id: str
    task: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = {}
    callbacks: _Signatures = None
    errbacks: _Signatures = None
    chain: _Signatures = None
    chord: dict[str, Any] | None = None
    eta: str | None = None
    expires: str | None = None
    retries: int = 0
    time_limit: float | None = None
    soft_time_limit: float | None = None
    group: str | None = None
    group_index: int | None = None
    root_id: str | None = None
    parent_id: str | None = None
    shadow: str | None = None
    ignore_result: bool | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    argsrepr: str | None = None
    kwargsrepr: str | None = None
    origin: str | None = None
    replaced_task_nesting: int = 0
    stamped_headers: list[str] | None = None
    stamps: dict[str, Any] = {}
    priority: int | None = None
    headers: Mapping[str, Any] = {}
    compression: str | None = None
    serializer: str | None = None


class _Headers(msgspec.Struct, frozen=True):
    """The headers of version 2 that mean something to a worker; the body of version 1 has the same names."""

    id: _Name
    task: _Name
    eta: str | None = None
    expires: str | None = None
    retries: _Count | None = None
    timelimit: tuple[_Seconds, _Seconds] | None = None
    group: str | None = None
    group_index: int | None = None
    root_id: str | None = None
    parent_id: str | None = None
    shadow: str | None = None
    ignore_result: bool | None = None
    argsrepr: str | None = None
    kwargsrepr: str | None = None
    origin: str | None = None
    replaced_task_nesting: _Count | None = None
    stamped_headers: list[str] | None = None
    stamps: dict[str, Any] | None = None
    taskset: str | None = None


class _Embed(msgspec.Struct, frozen=True):
    callbacks: _Signatures = None
    errbacks: _Signatures = None
    chain: _Signatures = None
    chord: dict[str, Any] | None = None


_NO_EMBED = _Embed()
_NOT_SENT_ON = ("compression", "redelivered", "x-death", "x-delivery-count", "x-acquired-count")
"""Headers that describe one delivery and would lie on the next message."""


def write_task(
    call: TaskCall,
    serializer: Serializer,
    *,
    compression: str | None = None,
    delivery_mode: int = 2,
    now: float | None = None,
) -> Message:
    """Write a call as a version 2 message with every header that Celery sends.

    `compression` is a method's name, `delivery_mode` 2 (persistent) or 1, `now` unix seconds (default: the
    clock) from which AMQP's `expiration` counts to `call.expires`.
    Raises `EncodeError` for arguments that the serializer cannot write, `InvalidTask` for a bad `expires`.
    """
    headers = _headers(call)
    properties = {
        "correlation_id": call.correlation_id or call.id,
        "reply_to": call.reply_to or "",
        "delivery_mode": delivery_mode,
        "priority": call.priority or 0,
    }
    if call.expires is not None:
        left = parse_iso(call.expires) - (time.time() if now is None else now)
        properties["expiration"] = str(max(0, int(left * 1000)))
    embed = {
        "callbacks": call.callbacks,
        "errbacks": call.errbacks,
        "chain": call.chain,
        "chord": call.chord,
    }
    body = serializer.dumps((call.args, call.kwargs, embed))
    if compression is not None:
        body, headers["compression"] = compress(body, compression)
    return Message(headers, properties, body, serializer.content_type, serializer.content_encoding)


def _headers(call: TaskCall) -> dict[str, Any]:
    headers = {
        "lang": "py",
        "task": call.task,
        "id": call.id,
        "shadow": call.shadow,
        "eta": call.eta,
        "expires": call.expires,
        "group": call.group,
        "group_index": call.group_index,
        "retries": call.retries,
        "timelimit": [call.time_limit, call.soft_time_limit],
        "root_id": call.root_id or call.id,
        "parent_id": call.parent_id,
        "argsrepr": saferepr(call.args) if call.argsrepr is None else call.argsrepr,
        "kwargsrepr": saferepr(call.kwargs) if call.kwargsrepr is None else call.kwargsrepr,
        "origin": call.origin or f"gen{os.getpid()}@{_hostname()}",
        "ignore_result": bool(call.ignore_result),
        "replaced_task_nesting": call.replaced_task_nesting,
        "stamped_headers": call.stamped_headers,
        "stamps": call.stamps,
    }
    if not call.headers:
        return headers
    kept = {name: value for name, value in call.headers.items() if name not in _NOT_SENT_ON}
    return kept | headers


def read_task(message: Message, serializers: Mapping[str, Serializer], *, size_limit: int) -> TaskCall:
    """Read a task message of version 2, 1 or the mixed form.

    `serializers` maps the accepted content types to their readers; `size_limit` bounds a compressed body's
    size in bytes after decompression. Raises `ContentDisallowed`, `DecodeError` and `InvalidTask`, and
    nothing else for any message.
    """
    serializer = serializers.get(message.content_type)
    if serializer is None:
        raise ContentDisallowed(
            f"task {message.headers.get('task')!r} has content type {message.content_type!r}, which "
            f"accept_content does not allow (allowed: {', '.join(sorted(serializers)) or 'nothing'})"
        )
    body = _body(message, serializer, size_limit)
    if isinstance(body, dict):
        return _from_object(message, body, serializer.name)
    if "task" not in message.headers:
        raise InvalidTask("the message has no task header, and its body is not a task of protocol 1")
    return _from_parts(message, body, serializer.name)


def identify(message: Message) -> tuple[str | None, str | None]:
    """The id and the task name of a message that may be broken, None for what cannot be known."""
    found: Any = message.headers
    if "task" not in found and message.content_type == JsonSerializer.content_type:
        try:
            found = JsonSerializer().loads(message.body)
        except DecodeError:
            found = None  # not even the body says whose it is
    if not isinstance(found, Mapping):
        return None, None
    return _usable(message.headers.get("id", found.get("id"))), _usable(found.get("task"))


def parse_iso(text: str) -> float:
    """Unix seconds of an ISO 8601 moment; one without an offset is UTC. Raises `InvalidTask`."""
    try:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        return moment.timestamp()
    except (ValueError, TypeError, OverflowError) as exc:
        raise InvalidTask(f"{text!r} is not an ISO 8601 time") from exc


def _body(message: Message, serializer: Serializer, size_limit: int) -> Any:
    body = message.body
    compression = message.headers.get("compression")
    if compression:
        if not isinstance(compression, str):
            raise DecodeError(f"the compression header is {compression!r}, not a content type")
        body = decompress(body, compression, limit=size_limit)
    try:
        return serializer.loads(body)
    except SerializationError:
        raise
    except Exception as exc:  # a serializer that breaks its contract must not take the worker down
        raise DecodeError(f"serializer {serializer.name!r} failed with {exc!r}") from exc


def _from_object(message: Message, body: dict[str, Any], serializer: str) -> TaskCall:
    """Version 1, or the mixed form where the headers win over the body."""
    fields = {**body, **message.headers} if "task" in message.headers else body
    embed = {name: body.get(name) for name in ("callbacks", "errbacks", "chord")}
    return _call(message, fields, body.get("args"), body.get("kwargs"), embed, serializer)


def _from_parts(message: Message, body: Any, serializer: str) -> TaskCall:
    if not isinstance(body, (list, tuple)) or not 2 <= len(body) <= 3:
        raise InvalidTask(f"the body of task {message.headers['task']!r} is not [args, kwargs, embed]")
    embed = body[2] if len(body) == 3 else None
    return _call(message, message.headers, body[0], body[1], embed, serializer)


def _call(
    message: Message, fields: dict[str, Any], args: Any, kwargs: Any, embed: Any, serializer: str
) -> TaskCall:
    try:
        head = msgspec.convert(fields, _Headers)
        tail = msgspec.convert(embed, _Embed) if embed else _NO_EMBED
    except (msgspec.ValidationError, RecursionError) as exc:
        raise InvalidTask(f"task {fields.get('task')!r}[{fields.get('id')!r}]: {exc}") from exc
    _check(head, args, kwargs)
    hard, soft = head.timelimit or (None, None)
    properties = message.properties
    return TaskCall(
        head.id,
        head.task,
        () if args is None else args,
        {} if kwargs is None else kwargs,
        tail.callbacks,
        tail.errbacks,
        tail.chain,
        tail.chord,
        head.eta,
        head.expires,
        head.retries or 0,
        hard,
        soft,
        head.group or head.taskset,
        head.group_index,
        head.root_id or head.id,
        head.parent_id,
        head.shadow,
        head.ignore_result,
        _usable(properties.get("reply_to") or properties.get("replyTo")),
        _usable(properties.get("correlation_id") or properties.get("correlationId")) or head.id,
        head.argsrepr,
        head.kwargsrepr,
        head.origin,
        head.replaced_task_nesting or 0,
        head.stamped_headers,
        head.stamps or {},
        _priority(properties.get("priority")),
        message.headers,
        message.headers.get("compression"),
        serializer,
    )


def _check(head: _Headers, args: Any, kwargs: Any) -> None:
    who = f"task {head.task!r}[{head.id}]"
    if args is not None and not isinstance(args, (list, tuple)):
        raise InvalidTask(f"{who}: its args are a {type(args).__name__}, not a list")
    if kwargs is not None and not isinstance(kwargs, dict):
        raise InvalidTask(f"{who}: its kwargs are a {type(kwargs).__name__}, not a mapping")
    if kwargs and not all(isinstance(name, str) for name in kwargs):
        raise InvalidTask(f"{who}: a name in its kwargs is not text")
    for moment in (head.eta, head.expires):
        if moment is not None:
            parse_iso(moment)


def _usable(text: Any) -> str | None:
    return text if isinstance(text, str) and 0 < len(text) <= MAX_NAME else None


def _priority(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= 255 else None


@functools.cache
def _hostname() -> str:
    return socket.gethostname()
