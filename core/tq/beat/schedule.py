"""Schedules that repeat after a time, and what all schedules have in common. Pure: nothing here looks at a
clock unless it is asked how much time remains.

Source of names and meanings: Celery 5.7, `celery.schedules`.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from tq.beat.zones import zone_name
from tq.errors import ImproperlyConfigured

_HOUR = 3600.0
SHORTEST = 0.01
"""Seconds: what repeats faster than this is no schedule."""


class Due(NamedTuple):
    """Celery's answer of `is_due`: whether, and the seconds until the next look."""

    is_due: bool
    next: float


class BaseSchedule(ABC):
    """Says when something is due. `nowfun` gives the current time to `is_due` and `remaining_estimate`; where its
    answer has a zone, that is the schedule's zone."""

    def __init__(self, nowfun: Callable[[], dt.datetime] | None = None, app: Any = None) -> None:
        self.nowfun = nowfun
        self.app = app

    @abstractmethod
    def next_after(self, moment: dt.datetime) -> dt.datetime | None:
        """The first due time after an aware moment, in the moment's zone; None: never again.

        The wall clock is that of the schedule's own zone, else of `moment`'s.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """What `tq.beat.form.schedule_from` makes an equal schedule of; for a class of your own `self.form(...)`."""

    def form(self, **fields: Any) -> dict[str, Any]:
        """The JSON form of a schedule of a class of your own: where the class is, and the arguments, as JSON, that
        make an equal one. Raises `ImproperlyConfigured` for a class that another process cannot import."""
        own = type(self)
        if own.__module__ == "__main__" or "." in own.__qualname__:
            raise ImproperlyConfigured(
                f"beats in other processes cannot import the schedule class {own.__module__}.{own.__qualname__}; "
                "move it to the top of a module that `include` or `imports` names"
            )
        return {"type": f"{own.__module__}:{own.__qualname__}", **fields}

    def resume(self, due: dt.datetime, moment: dt.datetime) -> dt.datetime | None:
        """The first due time after `moment` in the row of due times to which `due` belongs."""
        return due if _instant(due) > _instant(moment) else self.next_after(moment)

    def between(self, due: dt.datetime, end: dt.datetime, limit: int) -> list[dt.datetime]:
        """`due` and what follows it, up to and with `end`; the last `limit` of these, without a walk through all."""
        back = _HOUR
        while True:
            start = dt.datetime.fromtimestamp(end.timestamp() - back, dt.UTC).astimezone(end.tzinfo)
            whole = start.timestamp() <= due.timestamp()
            found = self._walk(due if whole else self.next_after(start), end, limit)
            if whole or len(found) == limit:
                return found
            back *= 4

    def _walk(self, moment: dt.datetime | None, end: dt.datetime, limit: int) -> list[dt.datetime]:
        found: deque[dt.datetime] = deque(maxlen=limit)
        while moment is not None and moment.timestamp() <= end.timestamp():
            found.append(moment)
            moment = self.next_after(moment)
        return list(found)

    @property
    def zone(self) -> dt.tzinfo | None:
        """The schedule's own zone, where `nowfun` gives one."""
        return self.nowfun().tzinfo if self.nowfun is not None else None

    @property
    def zone_name(self) -> str | None:
        """The zone's name, None where the schedule has none of its own."""
        zone = self.zone
        return None if zone is None else zone_name(zone)

    # -- as in Celery ---------------------------------------------------------------------------------------

    def now(self) -> dt.datetime:
        """The current time, aware."""
        moment = self.nowfun() if self.nowfun is not None else dt.datetime.now(self._app_zone())
        return moment if moment.tzinfo else moment.replace(tzinfo=self._app_zone())

    def remaining_estimate(self, last_run_at: dt.datetime) -> dt.timedelta:
        """How long until it is due again after it ran then; negative where that is over."""
        last = last_run_at if last_run_at.tzinfo else last_run_at.replace(tzinfo=dt.UTC)
        due = self.next_after(last)
        if due is None:
            return dt.timedelta.max
        return dt.timedelta(seconds=due.timestamp() - self.now().timestamp())

    def is_due(self, last_run_at: dt.datetime) -> Due:
        """Whether it is due after it ran then, and the seconds until the next look."""
        remaining = self.remaining_estimate(last_run_at).total_seconds()
        if remaining > 0:
            return Due(False, remaining)
        now = self.now()
        return Due(True, max(0.0, self.remaining_estimate(now).total_seconds()))

    def _app_zone(self) -> dt.tzinfo:
        zone = getattr(self.app, "timezone", None)
        return zone if isinstance(zone, dt.tzinfo) else dt.UTC

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseSchedule):
            return NotImplemented
        return self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(repr(self.to_json()))


class schedule(BaseSchedule):
    """Every `run_every` (seconds or timedelta). `relative`: at full days, hours or minutes of the wall clock,
    whichever is the largest that fits into the interval."""

    def __init__(
        self,
        run_every: float | dt.timedelta,
        relative: bool = False,
        nowfun: Callable[[], dt.datetime] | None = None,
        app: Any = None,
    ) -> None:
        super().__init__(nowfun, app)
        self.run_every = _interval(run_every)
        self.relative = bool(relative)

    @property
    def seconds(self) -> float:
        """The interval in seconds."""
        return self.run_every.total_seconds()

    def next_after(self, moment: dt.datetime) -> dt.datetime:
        zone = self.zone or moment.tzinfo
        end = (moment.astimezone(dt.UTC) + self.run_every).astimezone(zone)
        if not self.relative:
            return end.astimezone(moment.tzinfo)
        rounded = _floor(end, self.run_every)
        # A shift of the clock can put the full day behind us.
        due = rounded if rounded.timestamp() > moment.timestamp() else end
        return due.astimezone(dt.UTC).astimezone(moment.tzinfo)

    def resume(self, due: dt.datetime, moment: dt.datetime) -> dt.datetime:
        if self.relative:
            return due if _instant(due) > _instant(moment) else self.next_after(moment)
        first, now = due.astimezone(dt.UTC), moment.astimezone(dt.UTC)
        if first > now:
            return due
        steps = (now - first) // self.run_every + 1
        return (first + steps * self.run_every).astimezone(due.tzinfo)

    def between(self, due: dt.datetime, end: dt.datetime, limit: int) -> list[dt.datetime]:
        if self.relative:
            return super().between(due, end, limit)
        first, last = due.astimezone(dt.UTC), end.astimezone(dt.UTC)
        if first > last:
            return []
        count = (last - first) // self.run_every + 1
        start = max(0, count - limit)
        return [(first + n * self.run_every).astimezone(due.tzinfo) for n in range(start, count)]

    def to_json(self) -> dict[str, Any]:
        form: dict[str, Any] = {"type": "interval", "every": self.seconds}
        return {**form, "relative": True} if self.relative else form

    def __repr__(self) -> str:
        return f"<schedule: every {self.seconds:g} s>"


def _interval(value: float | dt.timedelta) -> dt.timedelta:
    try:
        every = value if isinstance(value, dt.timedelta) else dt.timedelta(seconds=value)
    except (TypeError, OverflowError, ValueError) as exc:
        raise ImproperlyConfigured(f"run_every is seconds or a timedelta, not {value!r}") from exc
    if every.total_seconds() < SHORTEST:
        raise ImproperlyConfigured(f"run_every is {SHORTEST} seconds or more, not {value!r}")
    return every


def _floor(moment: dt.datetime, every: dt.timedelta) -> dt.datetime:
    seconds = every.total_seconds()
    if seconds >= 86400:
        return moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if seconds >= 3600:
        return moment.replace(minute=0, second=0, microsecond=0)
    if seconds >= 60:
        return moment.replace(second=0, microsecond=0)
    return moment.replace(microsecond=0) if seconds >= 1 else moment


def _instant(moment: dt.datetime) -> float:
    return moment.timestamp()
