"""The queues that an application declares, in all forms in which `task_queues` may be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tq import records
from tq.errors import ImproperlyConfigured

_FANOUT = "fanout"
_LIMITS = (
    ("expires", "x-expires", 1000),
    ("message_ttl", "x-message-ttl", 1000),
    ("max_length", "x-max-length", 1),
    ("max_length_bytes", "x-max-length-bytes", 1),
)
"""Attributes of kombu's queues, in seconds, and the arguments that servers know, in milliseconds."""
_UNLIKE = (("durable", False), ("exclusive", True), ("auto_delete", True))


class Exchange(msgspec.Struct, frozen=True):
    """What leads messages to queues on brokers that route: by their routing key (`direct`, `topic`), or to all (`fanout`)."""

    name: str = ""
    type: str = "direct"


class Default(msgspec.Struct, frozen=True):
    """Where tasks go that nothing routes: the settings `task_default_...`."""

    queue: str
    exchange: str | None = None
    exchange_type: str = "direct"
    routing_key: str | None = None


def Queue(
    name: str,
    exchange: str | Exchange = "",
    routing_key: str = "",
    *,
    exchange_type: str = "",
    max_priority: int | None = None,
    queue_arguments: Mapping[str, Any] | None = None,
    expires: float | None = None,
    message_ttl: float | None = None,
    max_length: int | None = None,
    max_length_bytes: int | None = None,
) -> records.Queue:
    """An entry of `task_queues`, in the order of kombu's.

    `exchange_type` is that of `exchange` where it is an `Exchange`, else direct. `max_priority` and what follows matter to
    brokers whose queues have to be declared (RabbitMQ): `expires` is the life of an unused queue and `message_ttl` that
    of a message, in seconds.
    """
    limits = {
        "expires": expires,
        "message_ttl": message_ttl,
        "max_length": max_length,
        "max_length_bytes": max_length_bytes,
    }
    return records.Queue(
        name,
        _exchange(exchange),
        exchange_type or getattr(exchange, "type", "direct"),
        routing_key,
        max_priority,
        {**(queue_arguments or {}), **_arguments(limits)},
    )


def Broadcast(
    name: str | None = None,
    queue: str | None = None,
    unique: bool = False,
    auto_delete: bool = True,
    exchange: Any = None,
    alias: str | None = None,
    *,
    routing_key: str = "",
) -> records.Queue:
    """An entry of `task_queues` for tasks that each worker runs once.

    `name` is what tasks are routed to, and names the fanout exchange unless `exchange` does. Every worker has a queue
    of its own behind it, which ends with the worker: `queue`, `unique` and `auto_delete` say nothing more, and are
    there for Celery's sake. Raises `ImproperlyConfigured` where nothing gives it a name.
    """
    behind = _exchange(exchange)
    known = alias or name or behind
    if not known:
        raise ImproperlyConfigured("Broadcast() needs a name, or an exchange: what tasks are routed to")
    return records.Queue(known, behind or name or known, _FANOUT, routing_key, broadcast=True)


def read_queues(value: Any) -> Any:
    """Bring a mapping of names to options, or a list of names, mappings and queue objects, into one form.

    Queue objects of kombu are read by their attributes. Raises `ValueError` for anything else.
    """
    if isinstance(value, str):
        return [_queue(value)]
    if isinstance(value, Mapping):
        return [_queue(_options(name, options)) for name, options in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [_queue(item) for item in value]
    return value


def declared_queues(queues: Sequence[records.Queue] | None, default: Default) -> tuple[records.Queue, ...]:
    """What an app declares, with the exchange and the routing key of those that name none.

    Source: Celery 5.7 `app/amqp.py`, `Queues`. Where nothing is said of exchanges, a queue has one of its own name: it takes
    what is sent to it either way.
    """
    is_said = bool(default.exchange) or default.exchange_type != "direct"
    if not queues and (is_said or default.routing_key):
        queues = (records.Queue(default.queue),)
    exchange = default.exchange or default.queue
    return tuple(
        msgspec.structs.replace(
            queue,
            exchange=queue.exchange or (exchange if is_said else ""),
            exchange_type=default.exchange_type if is_said and not queue.exchange else queue.exchange_type,
            routing_key=queue.routing_key or default.routing_key or "",
        )
        if not queue.broadcast
        else queue
        for queue in queues or ()
    )


def _queue(item: Any) -> records.Queue:
    if isinstance(item, records.Queue):
        return item
    if isinstance(item, str):
        item = {"name": item}
    elif not isinstance(item, Mapping):
        item = _attributes(item)
    try:
        made = msgspec.convert({**item, "exchange": _exchange(item.get("exchange"))}, records.Queue)
    except msgspec.ValidationError as exc:
        raise ValueError(f"queues: {exc}") from None
    return (
        Broadcast(made.name, exchange=made.exchange, routing_key=made.routing_key) if made.broadcast else made
    )


def _options(name: Any, options: Any) -> dict[str, Any]:
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"queues: a mapping of options for {name!r}, not {type(options).__name__}")
    known = {"name": name, **(options or {})}
    if "binding_key" in known:
        known.setdefault("routing_key", known.pop("binding_key"))
    if not known.get("broadcast"):
        known.setdefault("routing_key", name)
    return known


def _attributes(queue: Any) -> dict[str, Any]:
    if not hasattr(queue, "name"):
        raise ValueError(f"queues: names, mappings or Queue objects, not {type(queue).__name__}")
    exchange, alias = getattr(queue, "exchange", ""), getattr(queue, "alias", None)
    # Of kombu's queues only a `Broadcast` is called otherwise than its queue on the server.
    each = getattr(exchange, "type", "") == _FANOUT and alias is not None
    if not each:
        _refuse_what_has_no_place(queue)
    return {
        "name": alias if each else queue.name,
        "exchange": exchange,
        "exchange_type": getattr(exchange, "type", "direct"),
        "routing_key": getattr(queue, "routing_key", "") or "",
        "broadcast": each,
        "max_priority": getattr(queue, "max_priority", None),
        "queue_arguments": {
            **(getattr(queue, "queue_arguments", None) or {}),
            **_arguments({name: getattr(queue, name, None) for name, _, _ in _LIMITS}),
        },
    }


def _arguments(limits: Mapping[str, float | None]) -> dict[str, int]:
    """Limits of a queue as servers know them."""
    found = {argument: (limits[name], unit) for name, argument, unit in _LIMITS}
    return {argument: int(value * unit) for argument, (value, unit) in found.items() if value is not None}


def _refuse_what_has_no_place(queue: Any) -> None:
    unlike = [f"{name}={value}" for name, value in _UNLIKE if getattr(queue, name, not value) is value]
    if getattr(queue, "bindings", None):
        unlike.append("bindings")
    if unlike:
        raise ValueError(
            f"queues that last, each with one exchange and routing_key; {queue.name!r} has {', '.join(unlike)}"
        )


def _exchange(value: Any) -> Any:
    return (getattr(value, "name", value) if value else "") or ""
