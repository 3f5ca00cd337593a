"""Writes a call as a message of Celery's protocol 2."""

from __future__ import annotations

import functools
import os
import socket
import time
from typing import Any

from tq.contracts.serializer import Serializer
from tq.records import Message
from tq.wire.call import TaskCall
from tq.wire.compression import compress
from tq.wire.isotime import parse_iso
from tq.wire.saferepr import saferepr

_ONE_DELIVERY = frozenset({"compression", "redelivered", "x-death", "x-delivery-count", "x-acquired-count"})
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
        properties["expiration"] = str(max(0, round(left * 1000)))
    embed = {
        "callbacks": call.callbacks,
        "errbacks": call.errbacks,
        "chain": call.chain,
        "chord": call.chord,
    }
    value = (call.args, call.kwargs, embed)
    dumps_call = getattr(serializer, "dumps_call", None)
    body: bytes = serializer.dumps(value) if dumps_call is None else dumps_call(value, headers)
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
        "origin": call.origin or origin(),
        "ignore_result": call.ignore_result,
        "replaced_task_nesting": call.replaced_task_nesting,
        "stamped_headers": call.stamped_headers,
        "stamps": call.stamps,
    }
    if not call.headers:
        return headers
    kept = {name: value for name, value in call.headers.items() if name not in _ONE_DELIVERY}
    return kept | headers


@functools.cache
def origin() -> str:
    """Who writes messages: this process."""
    return f"gen{os.getpid()}@{socket.gethostname()}"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=origin.cache_clear)
