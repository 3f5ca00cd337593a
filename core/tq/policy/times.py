"""Moments as callers give them: seconds from now, datetimes, or ISO 8601 text."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tq.errors import InvalidTask
from tq.wire.protocol import parse_iso

Moment = dt.datetime | str | None


def unix_time(moment: Any, what: str, zone: dt.tzinfo = dt.UTC) -> float:
    """Unix seconds of a datetime (naive: in `zone`) or of ISO text. Raises `InvalidTask` naming `what`."""
    if isinstance(moment, dt.datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    if isinstance(moment, str):
        return parse_iso(moment)
    raise InvalidTask(f"{what} must be a datetime or ISO 8601 text, not {type(moment).__name__}")


def iso(unix: float) -> str:
    """ISO 8601 text with offset, as Celery writes it."""
    return dt.datetime.fromtimestamp(unix, dt.UTC).isoformat()


def start_of(countdown: Any, eta: Any, now: float, zone: dt.tzinfo = dt.UTC) -> float | None:
    """When a call shall start, unix seconds; None for at once. `countdown` (seconds) comes before `eta`."""
    if countdown:
        return now + seconds(countdown, "countdown")
    return None if eta is None else unix_time(eta, "eta", zone)


def end_of(expires: Any, now: float, zone: dt.tzinfo = dt.UTC) -> float | None:
    """When a call is no longer wanted, unix seconds; None for never. A number counts from `now`."""
    if expires is None:
        return None
    if isinstance(expires, (dt.datetime, str)):
        return unix_time(expires, "expires", zone)
    return now + seconds(expires, "expires")


def seconds(value: Any, what: str) -> float:
    """A number of seconds from a number or a timedelta."""
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, (int, float)):
        return float(value)
    raise InvalidTask(f"{what} must be seconds or a timedelta, not {type(value).__name__}")
