"""Calls of which one waits or runs at a time: `unique_for` and `unique_key`."""

from __future__ import annotations

from typing import Any

import msgspec

from tq.client.call import CallOptions
from tq.contracts.broker import Broker, Cap
from tq.errors import ImproperlyConfigured, InvalidTask
from tq.options import mask_url
from tq.wire.call import TaskCall
from tq.wire.locks import KEY, LONGEST_TIME, SECONDS, lock_key


def only_one(call: TaskCall, options: CallOptions, broker: Broker) -> tuple[TaskCall, CallOptions]:
    """The call with its lock, for `options.unique_for` seconds; an id that was made for it goes out once.

    Raises `InvalidTask` for seconds or a key that mean nothing, `ImproperlyConfigured` where the broker keeps no locks.
    """
    seconds = options.unique_for
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= LONGEST_TIME:
        raise InvalidTask(
            f"task {call.task!r}: unique_for is a number of seconds above 0, ten years at most, not {seconds!r}"
        )
    if Cap.LOCKS not in broker.capabilities:
        raise ImproperlyConfigured(
            f"task {call.task!r} is to be unique_for {seconds:g} s, but {type(broker).__name__} "
            f"({mask_url(broker.url)}) keeps no locks; use Redis or an SQL database, or leave the option away"
        )
    key = lock_key(call.task, call.args, call.kwargs, _chosen(call, options.unique_key))
    headers = {**call.headers, KEY: key, SECONDS: float(seconds)}
    if options.task_id is None:
        # So a publish whose answer got lost may be repeated.
        options = msgspec.structs.replace(options, unique=True)
    return msgspec.structs.replace(call, headers=headers), options


def _chosen(call: TaskCall, key: Any) -> str | None:
    found = key(*call.args, **call.kwargs) if callable(key) else key
    if found is None or isinstance(found, str):
        return found
    raise InvalidTask(
        f"task {call.task!r}: unique_key is text, or a function of the arguments that returns text"
    )
