"""The options of calls as type checkers see them; a test compares them with those at run time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict


class CallKeywords(TypedDict, total=False):
    """What `apply_async`, `send_task` and signatures take; see `tq.client.call.CallOptions`."""

    task_id: str | None
    countdown: float | dt.timedelta | None
    eta: dt.datetime | str | None
    expires: float | dt.timedelta | dt.datetime | str | None
    queue: Any
    exchange: Any
    exchange_type: str | None
    routing_key: str | None
    priority: int | None
    serializer: str | None
    compression: str | None
    headers: Mapping[str, Any] | None
    link: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
    link_error: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
    retry: bool | None
    retry_policy: Mapping[str, Any] | None
    time_limit: float | None
    soft_time_limit: float | None
    ignore_result: bool | None
    shadow: str | None
    reply_to: str | None
    root_id: str | None
    parent_id: str | None
    group_id: str | None
    group_index: int | None
    chain: Sequence[Mapping[str, Any]] | None
    chord: Any
    retries: int
    replaced_task_nesting: int
    delivery_mode: Any
    add_to_parent: bool
    argsrepr: str | None
    kwargsrepr: str | None
    stamped_headers: list[str] | None
    unique: bool
    unique_for: float | None
    unique_key: str | Callable[..., str] | None
    timeout: float | None


class RetryKeywords(TypedDict, total=False):
    """What `Task.retry` takes besides its own parameters: what a next attempt can have of its own."""

    expires: float | dt.timedelta | dt.datetime | str | None
    queue: Any
    exchange: Any
    exchange_type: str | None
    routing_key: str | None
    priority: int | None
    serializer: str | None
    compression: str | None
    headers: Mapping[str, Any] | None
    link: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
    link_error: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
    time_limit: float | None
    soft_time_limit: float | None
    ignore_result: bool | None
    shadow: str | None
