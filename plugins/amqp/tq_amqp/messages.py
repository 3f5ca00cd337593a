"""Between tq's messages and AMQP's: the parts of Celery's protocol 2 are native there, the body is raw."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from tq.errors import EncodeError
from tq.records import Message, Undecodable
from tq.wire.envelope import PARKED
from tq_amqp.protocol.incoming import Incoming
from tq_amqp.protocol.properties import pack_properties, read_properties

DELIVERY_COUNT = "x-delivery-count"
DEAD = "tq_dead"
"""A header that says of a dead letter: why, when, from which queue. No part of the message either."""
_OF_THE_SERVER = (
    DEAD,
    DELIVERY_COUNT,
    "x-acquired-count",
    "x-death",
    *(f"x-{which}-death-{what}" for which in ("first", "last") for what in ("exchange", "queue", "reason")),
)
"""Headers that say how one delivery came about."""
MALFORMED = (
    ValueError,
    IndexError,
    struct.error,
    UnicodeDecodeError,
    OverflowError,
    RecursionError,
    OSError,
)


def write(
    message: Message,
    *,
    priority: int | None = None,
    parked: bool = False,
    expiration: str | None = None,
    headers: Mapping[str, Any] | None = None,
) -> bytes:
    """The properties of a message. `parked`: the broker keeps it until it is due.

    The message's own `expiration` is left out: the worker that finds a task expired says so in its result, the
    server would drop it without a word. Raises `EncodeError`.
    """
    extra = {**(headers or {}), **({PARKED: True} if parked else {})}
    try:
        return pack_properties(
            {
                "delivery_mode": 2,
                **message.properties,
                "content_type": message.content_type,
                "content_encoding": message.content_encoding,
                "headers": {**message.headers, **extra} if extra else message.headers,
                "priority": priority or 0,
                "expiration": expiration,
            }
        )
    except EncodeError as exc:
        raise EncodeError(f"task {message.headers.get('task')!r} cannot be written as AMQP: {exc}") from exc
    except (UnicodeError, RecursionError) as exc:
        raise EncodeError(
            f"a header of task {message.headers.get('task')!r} has no form in AMQP: {exc}"
        ) from exc


def read(incoming: Incoming, queue: str) -> tuple[Message | Undecodable, dict[str, Any]]:
    """The message, and the headers that the server added. Never raises: a queue may hold anything."""
    try:
        properties = read_properties(incoming.properties)
    except MALFORMED as exc:
        return Undecodable(incoming.body, f"its properties are malformed: {exc}"), {}
    headers = properties.pop("headers", None) or {}
    added = {name: headers.pop(name) for name in _OF_THE_SERVER if name in headers}
    content_type = properties.pop("content_type", None)
    encoding = properties.pop("content_encoding", None)
    if content_type is None and not headers:
        return Undecodable(incoming.body, "it has neither headers nor a content type"), added
    if headers.pop(PARKED, False):
        properties[PARKED] = True
    moved = "x-death" in added
    properties["delivery_info"] = delivery_info(
        "" if moved else incoming.exchange, queue if moved else incoming.key, incoming.again
    )
    return Message(
        headers, properties, incoming.body, content_type or "application/json", encoding or "utf-8"
    ), added


def delivery_info(exchange: str, routing_key: str, redelivered: bool) -> dict[str, Any]:
    """What a body finds in `self.request.delivery_info`."""
    return {"exchange": exchange, "routing_key": routing_key, "redelivered": redelivered}


def raw(message: Message | Undecodable, *, headers: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Properties and body of a copy that keeps even what is no message. Raises `EncodeError`."""
    if isinstance(message, Undecodable):
        return pack_properties({"headers": headers, "delivery_mode": 2}), message.raw
    return write(message, priority=message.properties.get("priority"), headers=headers), message.body
