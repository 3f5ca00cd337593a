"""The options of tasks as type checkers see them; a test compares them with those at run time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, TypedDict


class TaskKeywords(TypedDict, total=False):
    """What `@app.task(...)` takes besides `bind` and `base`; see `tq.Task`."""

    name: str | None
    typing: bool
    max_retries: int | None
    default_retry_delay: float
    autoretry_for: tuple[type[BaseException], ...]
    dont_autoretry_for: tuple[type[BaseException], ...]
    retry_kwargs: Mapping[str, Any]
    retry_backoff: bool | float
    retry_backoff_max: float
    retry_jitter: bool
    throws: tuple[type[BaseException], ...]
    ignore_result: bool | None
    store_errors_even_if_ignored: bool | None
    acks_late: bool | None
    acks_on_failure_or_timeout: bool | None
    reject_on_worker_lost: bool | None
    track_started: bool | None
    time_limit: float | None
    soft_time_limit: float | None
    rate_limit: str | float | None
    queue: str | None
    exchange: str | None
    routing_key: str | None
    priority: int | None
    expires: float | dt.timedelta | dt.datetime | str | None
    serializer: str | None
    compression: str | None
    unique_for: float | None
    unique_key: str | Callable[..., str] | None
    trail: bool
    pydantic: bool
    pydantic_strict: bool
    pydantic_context: Mapping[str, Any] | None
    pydantic_dump_kwargs: Mapping[str, Any] | None
