"""Time zones, and what their shifts do to times of the wall clock."""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo

from tq.errors import ImproperlyConfigured

LONGEST_OVERLAP = dt.timedelta(hours=3)
"""More than any zone has ever set its clock back."""
_SECOND = dt.timedelta(seconds=1)


@functools.cache
def zone_of(name: str) -> dt.tzinfo:
    """The zone of an IANA name, or of an offset such as `+02:00`. Raises `ImproperlyConfigured`."""
    if name[:1] in "+-":
        try:
            offset = dt.datetime.fromisoformat(f"2000-01-01T00:00:00{name}").tzinfo
        except ValueError:
            offset = None
        if offset is not None:
            return offset
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ImproperlyConfigured(
            f"{name!r} is no time zone: write an IANA name such as Europe/Berlin, or install tzdata"
        ) from exc


def zone_name(zone: dt.tzinfo) -> str:
    """The text that `zone_of` reads. Raises `ImproperlyConfigured` for a zone that has none."""
    key = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if key:
        return str(key)
    if zone is dt.UTC:
        return "UTC"
    if isinstance(zone, dt.timezone):
        return dt.datetime(2000, 1, 1, tzinfo=zone).isoformat()[19:]
    raise ImproperlyConfigured(f"{zone!r} has no name by which a store could keep it; use zoneinfo.ZoneInfo")


def first(wall: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """The moment, in UTC, at which clocks in `zone` show a naive time: the first of two, and the moment of the
    shift for a time that is left out."""
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(dt.UTC)
    if _shown(moment, zone) == wall:
        return moment
    return _shift(wall.replace(tzinfo=zone, fold=1).astimezone(dt.UTC), moment, zone)


def second(wall: dt.datetime, zone: dt.tzinfo) -> dt.datetime | None:
    """The later moment of a time that clocks show twice; None for all other times."""
    early = wall.replace(tzinfo=zone, fold=0).astimezone(dt.UTC)
    late = wall.replace(tzinfo=zone, fold=1).astimezone(dt.UTC)
    return late if late > early else None


def _shown(moment: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _shift(low: dt.datetime, high: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """The moment in (low, high] at which the offset becomes that of `high`."""
    offset = high.astimezone(zone).utcoffset()
    while high - low > _SECOND:
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if middle <= low:
            break
        if middle.astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return high
