"""Moments as callers give them: seconds from now, datetimes, or ISO 8601 text."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

from tq.errors import InvalidTask

_LONGEST = 1e12


class LocalZone(dt.tzinfo):
    """The machine's own zone, with its summer time: what naive datetimes mean to Python itself."""

    def utcoffset(self, moment: dt.datetime | None) -> dt.timedelta | None:
        """The offset that the machine's clock had or will have at that moment."""
        return None if moment is None else self._aware(moment).utcoffset()

    def dst(self, moment: dt.datetime | None) -> dt.timedelta | None:
        """How much of it is summer time; the machine says only whether, so an hour."""
        if moment is None:
            return None
        summer = time.localtime(self._aware(moment).timestamp()).tm_isdst > 0
        return dt.timedelta(hours=1) if summer else dt.timedelta(0)

    def tzname(self, moment: dt.datetime | None) -> str | None:
        """The zone's abbreviation."""
        return None if moment is None else self._aware(moment).tzname()

    def fromutc(self, moment: dt.datetime) -> dt.datetime:
        """The local time of a moment in UTC."""
        local = moment.replace(tzinfo=dt.UTC).astimezone()
        return local.replace(tzinfo=self)

    def _aware(self, moment: dt.datetime) -> dt.datetime:
        return moment.replace(tzinfo=None).astimezone()

    def __repr__(self) -> str:
        return "LocalZone()"


def unix_time(moment: Any, what: str, zone: dt.tzinfo = dt.UTC) -> float:
    """Unix seconds of a datetime or of ISO text; those without an offset are in `zone`.

    Raises `InvalidTask` naming `what`.
    """
    if isinstance(moment, str):
        moment = _parsed(moment, what)
    if not isinstance(moment, dt.datetime):
        raise InvalidTask(f"{what} must be a datetime or ISO 8601 text, not {type(moment).__name__}")
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError, OSError) as exc:
        raise InvalidTask(f"{what} {moment} is not a moment that can be reckoned with: {exc}") from exc


def _parsed(text: str, what: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError as exc:
        raise InvalidTask(f"{what} {text[:64]!r} is not an ISO 8601 time") from exc


def iso(unix: float) -> str:
    """ISO 8601 text with offset, as Celery writes it. Raises `InvalidTask` for years that datetimes lack."""
    try:
        return dt.datetime.fromtimestamp(unix, dt.UTC).isoformat()
    except (ValueError, OverflowError, OSError) as exc:
        raise InvalidTask(f"{unix:g} s since 1970 is too far away: {exc}") from exc


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
    """A number of seconds from a number or a timedelta. Raises `InvalidTask` naming `what`."""
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if type(value) in (int, float):
        # Larger numbers have no date, and some of them no form as a float.
        if abs(value) <= _LONGEST:
            return float(value)
        raise InvalidTask(f"{what} must be a number of seconds that leads to a date")
    raise InvalidTask(f"{what} must be seconds or a timedelta, not {type(value).__name__}")
