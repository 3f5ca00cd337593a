"""The queues that an application declares, in all forms in which `task_queues` may be written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tq.records import Queue

__all__ = ["Queue", "read_queues"]


def read_queues(value: Any) -> Any:
    """Bring a mapping of names to options, or a list of names, mappings and queue objects, into one form.

    Queue objects of kombu are read by their attributes. Raises `ValueError` for anything else.
    """
    if isinstance(value, str):
        return [_queue(value)]
    if isinstance(value, Mapping):
        return [_queue({"name": name, **_options(name, options)}) for name, options in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [_queue(item) for item in value]
    return value


def _queue(item: Any) -> Queue:
    if isinstance(item, Queue):
        return item
    if isinstance(item, str):
        item = {"name": item}
    elif not isinstance(item, Mapping):
        item = _attributes(item)
    try:
        return msgspec.convert({**item, "exchange": _exchange(item.get("exchange"))}, Queue)
    except msgspec.ValidationError as exc:
        raise ValueError(f"queues: {exc}") from None


def _options(name: Any, options: Any) -> dict[str, Any]:
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"queues: a mapping of options for {name!r}, not {type(options).__name__}")
    known = dict(options or {})
    if "binding_key" in known:
        known.setdefault("routing_key", known.pop("binding_key"))
    return known


def _attributes(queue: Any) -> dict[str, Any]:
    if not hasattr(queue, "name"):
        raise ValueError(f"queues: names, mappings or Queue objects, not {type(queue).__name__}")
    return {
        "name": queue.name,
        "exchange": getattr(queue, "exchange", ""),
        "exchange_type": getattr(getattr(queue, "exchange", None), "type", "direct"),
        "routing_key": getattr(queue, "routing_key", "") or "",
        "max_priority": getattr(queue, "max_priority", None),
        "queue_arguments": getattr(queue, "queue_arguments", None) or {},
    }


def _exchange(value: Any) -> Any:
    return (getattr(value, "name", value) if value else "") or ""
