"""`crontab`: times of the wall clock, by minutes, hours and days.

Daylight saving: a time that the clock leaves out is due once, at the moment of the shift. A time that the clock
shows twice is due once, the first time; but a schedule of every hour goes on through the second hour as well.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Callable
from typing import Any

from tq.beat.cronfield import BOUNDS, Spec, expand, normal
from tq.beat.schedule import BaseSchedule
from tq.beat.zones import LONGEST_OVERLAP, first, second, zone_of
from tq.errors import ImproperlyConfigured

_YEARS = 41
"""A leap day falls on each day of the week within 40 years, also around 2100."""
_MINUTE = dt.timedelta(minutes=1)


class crontab(BaseSchedule):
    """Celery's crontab: every field is a number, a list of numbers, or text (`"*/15"`, `"mon-fri"`, `"1,15-20/2"`).

    A day has to fit month, day of month and day of week at once (not one of the latter two, as in cron).
    `zone` is an IANA name, which Celery does not have; else the zone of `nowfun`'s answer, else the app's.
    Raises `ImproperlyConfigured` for a field that means nothing and for days that no calendar has.
    """

    def __init__(
        self,
        minute: Spec = "*",
        hour: Spec = "*",
        day_of_week: Spec = "*",
        day_of_month: Spec = "*",
        month_of_year: Spec = "*",
        nowfun: Callable[[], dt.datetime] | None = None,
        app: Any = None,
        *,
        zone: str | None = None,
    ) -> None:
        super().__init__(nowfun, app)
        given = (minute, hour, day_of_week, day_of_month, month_of_year)
        # Iterators can be read once.
        specs = [s if isinstance(s, str | int | None) else list(s) for s in given]
        self.fields = {name: normal(spec) for name, spec in zip(BOUNDS, specs, strict=True)}
        sets = [expand(name, spec) for name, spec in zip(BOUNDS, specs, strict=True)]
        self.minute, self.hour, self.day_of_week, self.day_of_month, self.month_of_year = sets
        self._zone = zone_of(zone) if zone is not None else None
        self._minutes, self._hours = sorted(self.minute), sorted(self.hour)
        if not any(day <= _longest(month) for month in self.month_of_year for day in self.day_of_month):
            raise ImproperlyConfigured(
                f"crontab(day_of_month={self.fields['day_of_month']!r}, "
                f"month_of_year={self.fields['month_of_year']!r}): no such month has such a day"
            )

    @classmethod
    def from_string(cls, crontab: str, **more: Any) -> crontab:
        """Read `minute hour day_of_month month_of_year day_of_week`, as crontab(5) orders them."""
        fields = crontab.split()
        if len(fields) != 5:
            raise ImproperlyConfigured(f"{crontab!r} has {len(fields)} fields; a crontab has five")
        minute, hour, day_of_month, month_of_year, day_of_week = fields
        return cls(minute, hour, day_of_week, day_of_month, month_of_year, **more)

    @property
    def zone(self) -> dt.tzinfo | None:
        return self._zone or super().zone

    def next_after(self, moment: dt.datetime) -> dt.datetime | None:
        zone = self.zone or moment.tzinfo or dt.UTC
        now = moment.astimezone(dt.UTC)
        due = self._first_time(now, zone)
        if due is not None and len(self.hour) == 24:
            due = self._second_time(now, due, zone)
        return None if due is None else due.astimezone(moment.tzinfo)

    def _first_time(self, now: dt.datetime, zone: dt.tzinfo) -> dt.datetime | None:
        wall = self._next_wall(_wall(now, zone))
        while wall is not None:
            due = first(wall, zone)
            if due > now:
                return due
            # In the second pass of an hour, or in a minute that a shift has left out.
            wall = self._next_wall(wall)
        return None

    def _second_time(self, now: dt.datetime, due: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
        """`due`, or a time before it that the clock shows for the second time."""
        before = now - LONGEST_OVERLAP
        if before.astimezone(zone).utcoffset() == due.astimezone(zone).utcoffset():
            return due
        wall = self._next_wall(_wall(now, zone) - LONGEST_OVERLAP)
        while wall is not None and first(wall, zone) <= due:
            again = second(wall, zone)
            if again is not None and again > now:
                return min(due, again)
            wall = self._next_wall(wall)
        return due

    def _next_wall(self, after: dt.datetime) -> dt.datetime | None:
        """The next naive minute that fits, after another one."""
        start = after.replace(second=0, microsecond=0) + _MINUTE
        if self._fits(start.date()):
            for hour in self._hours:
                if hour < start.hour:
                    continue
                for minute in self._minutes:
                    if hour > start.hour or minute >= start.minute:
                        return start.replace(hour=hour, minute=minute, fold=0)
        day = self._next_day(start.date())
        return None if day is None else dt.datetime.combine(day, dt.time(self._hours[0], self._minutes[0]))

    def _next_day(self, after: dt.date) -> dt.date | None:
        year, month = after.year, after.month
        for _ in range(12 * _YEARS):
            if month in self.month_of_year:
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    day = dt.date(year, month, number)
                    if day > after and self._fits(day):
                        return day
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
            if year > dt.MAXYEAR:
                return None
        return None

    def _fits(self, day: dt.date) -> bool:
        return (
            day.month in self.month_of_year
            and day.day in self.day_of_month
            and day.isoweekday() % 7 in self.day_of_week
        )

    def to_json(self) -> dict[str, Any]:
        form: dict[str, Any] = {"type": "crontab"}
        form |= {name: text for name, text in self.fields.items() if text != "*"}
        name = self.zone_name
        return form if name is None else {**form, "zone": name}

    def __repr__(self) -> str:
        order = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
        return f"<crontab: {' '.join(self.fields[name] for name in order)} (m/h/dM/MY/d)>"


def _wall(moment: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _longest(month: int) -> int:
    return 29 if month == 2 else calendar.monthrange(2001, month)[1]
