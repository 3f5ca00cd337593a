"""`crontab` against an oracle that looks at every minute, against cronsim where both mean the same, and by example."""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tq.beat.cronfield import BOUNDS, DAYS, expand
from tq.beat.form import schedule_from, schedule_of
from tq.errors import ImproperlyConfigured
from tq.schedules import crontab

cronsim = pytest.importorskip("cronsim")

UTC = dt.UTC
MINUTE = dt.timedelta(minutes=1)
ZONES = {
    # zone: a moment shortly before a shift, in UTC
    "Europe/Berlin": ("2026-03-28T12:00", "2026-10-24T12:00"),
    "America/New_York": ("2027-03-13T20:00", "2027-11-06T20:00"),
    "Australia/Lord_Howe": ("2026-04-04T00:00", "2026-10-03T00:00"),  # by half an hour
    "America/Sao_Paulo": ("2017-10-14T12:00", "2018-02-17T12:00"),  # at midnight
    "Africa/Casablanca": ("2026-02-14T12:00", "2026-03-21T12:00"),
    "Pacific/Apia": ("2011-12-29T00:00", "2012-03-31T00:00"),  # a day is left out
    "Asia/Kathmandu": ("2026-01-01T00:00", "2026-06-01T00:00"),
}
# Source of the shifts: the IANA time zone database.


def brute(cron: crontab, start: dt.datetime, minutes: int) -> list[dt.datetime]:
    """Due times by walking through every minute of real time, and every minute of the wall clock that is left out."""
    zone = start.tzinfo
    assert zone is not None
    seen: set[dt.datetime] = set()
    due: list[dt.datetime] = []
    moment = start.astimezone(UTC) - 4 * 60 * MINUTE
    before = wall(moment - MINUTE, zone)
    for _ in range(minutes + 4 * 60):
        now = wall(moment, zone)
        # What the clock jumped over belongs to the moment at which it jumped.
        passed = (
            [before + n * MINUTE for n in range(1, max(1, (now - before) // MINUTE))] if now > before else []
        )
        fits = [w for w in (*passed, now) if matches(cron, w)]
        again = now in seen and len(cron.hour) < 24
        seen.update((*passed, now))
        if [w for w in fits if w != now] or (fits and not again):
            due.append(moment)
        before, moment = now, moment + MINUTE
    return [moment for moment in due if moment > start]


def wall(moment: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def matches(cron: crontab, w: dt.datetime) -> bool:
    return (
        w.minute in cron.minute
        and w.hour in cron.hour
        and w.day in cron.day_of_month
        and w.month in cron.month_of_year
        and (w.weekday() + 1) % 7 in cron.day_of_week
    )


def walk(cron: crontab, start: dt.datetime, end: dt.datetime) -> list[dt.datetime]:
    found = []
    moment = cron.next_after(start)
    while moment is not None and moment.timestamp() <= end.timestamp():
        found.append(moment.astimezone(UTC))
        moment = cron.next_after(moment)
    return found


def some(low: int, high: int) -> st.SearchStrategy[Any]:
    number = st.integers(low, high)
    one = st.one_of(
        st.just("*"),
        number.map(str),
        st.tuples(number, number).map(lambda p: f"{p[0]}-{p[1]}"),
        st.integers(1, high).map(lambda n: f"*/{n}"),
    )
    return st.one_of(
        st.just("*"), st.lists(one, min_size=1, max_size=3).map(",".join), st.sets(number, min_size=1)
    )


fields = st.fixed_dictionaries(
    {name: some(*bounds) for name, bounds in BOUNDS.items() if "day" not in name}
).flatmap(
    lambda known: st.fixed_dictionaries(
        {
            **{name: st.just(value) for name, value in known.items()},
            "day_of_week": st.one_of(st.just("*"), some(0, 6)),
            "day_of_month": st.one_of(st.just("*"), some(1, 28)),
        }
    )
)
shifts = st.sampled_from([(zone, moment) for zone, moments in ZONES.items() for moment in moments])


@settings(max_examples=60, deadline=None)
@given(fields, shifts, st.integers(0, 1440))
def test_two_days_around_every_kind_of_shift_are_those_of_the_oracle(
    spec: dict[str, Any], shift: tuple[str, str], later: int
) -> None:
    zone = zoneinfo.ZoneInfo(shift[0])
    start = (dt.datetime.fromisoformat(shift[1]).replace(tzinfo=UTC) + later * MINUTE).astimezone(zone)
    cron = crontab(**{**spec, "month_of_year": "*"})
    span = 36 * 60
    end = start.astimezone(UTC) + (span - 1) * MINUTE
    assert walk(cron, start, end) == brute(cron, start, span)


@functools.cache
def days(year: int) -> Sequence[dt.datetime]:
    first = dt.datetime(year, 1, 1)
    return [first + dt.timedelta(days=n) for n in range(5 * 366)]


@settings(max_examples=60, deadline=None)
@given(fields, st.integers(1995, 2095))
def test_five_years_have_the_days_of_the_oracle(spec: dict[str, Any], year: int) -> None:
    cron = crontab(**{**spec, "minute": 5, "hour": 7})
    expected = [
        day.replace(hour=7, minute=5) for day in days(year) if matches(cron, day.replace(hour=7, minute=5))
    ]
    start = dt.datetime(year, 1, 1, tzinfo=UTC)
    end = days(year)[-1].replace(hour=23, tzinfo=UTC)
    assert walk(cron, start, end) == [day.replace(tzinfo=UTC) for day in expected]


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.integers(0, 59), min_size=1, max_size=5),
    st.sets(st.integers(0, 23), min_size=1, max_size=5),
    st.sampled_from(["*", "1-5", "0", "2,4"]),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
    st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2030, 1, 1)),
)
def test_named_hours_are_due_when_cronsim_says(
    minutes: set[int], hours: set[int], weekdays: str, zone_name: str, naive: dt.datetime
) -> None:
    zone = zoneinfo.ZoneInfo(zone_name)
    start = naive.replace(microsecond=0, tzinfo=UTC).astimezone(zone)
    text = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * {weekdays}"
    theirs = cronsim.CronSim(text, start)
    moment: dt.datetime | None = start
    for _ in range(200):
        assert moment is not None
        moment = crontab.from_string(text).next_after(moment)
        assert moment is not None
        assert moment.astimezone(UTC) == next(theirs).astimezone(UTC)


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def times(cron: crontab, start: str, count: int) -> list[str]:
    moment: dt.datetime | None = dt.datetime.fromisoformat(start).replace(tzinfo=BERLIN)
    found = []
    for _ in range(count):
        assert moment is not None
        moment = cron.next_after(moment)
        assert moment is not None
        found.append(moment.isoformat(timespec="minutes"))
    return found


def test_a_time_that_the_clock_leaves_out_is_due_once_at_the_shift() -> None:
    assert times(crontab(30, 2), "2026-03-28T12:00", 2) == [
        "2026-03-29T03:00+02:00",
        "2026-03-30T02:30+02:00",
    ]
    assert times(crontab("*/20", 2), "2026-03-29T00:00", 2) == [
        "2026-03-29T03:00+02:00",
        "2026-03-30T02:00+02:00",
    ]


def test_a_time_that_the_clock_shows_twice_is_due_the_first_time() -> None:
    assert times(crontab(30, 2), "2026-10-24T12:00", 2) == [
        "2026-10-25T02:30+02:00",
        "2026-10-26T02:30+01:00",
    ]


def test_a_schedule_of_every_hour_goes_on_through_the_second_hour() -> None:
    assert times(crontab(30), "2026-10-25T01:00", 4) == [
        "2026-10-25T01:30+02:00",
        "2026-10-25T02:30+02:00",
        "2026-10-25T02:30+01:00",
        "2026-10-25T03:30+01:00",
    ]


def test_its_own_zone_counts_before_that_of_the_moment() -> None:
    cron = crontab(0, 9, zone="Asia/Tokyo")
    assert times(cron, "2026-06-01T00:00", 1) == ["2026-06-01T02:00+02:00"]
    tokyo = zoneinfo.ZoneInfo("Asia/Tokyo")
    assert crontab(0, 9, nowfun=lambda: dt.datetime.now(tokyo)) == cron


def test_days_have_to_fit_all_fields() -> None:
    assert times(crontab(0, 0, "mon", "1-7"), "2026-06-02T00:00", 2) == [
        "2026-07-06T00:00+02:00",
        "2026-08-03T00:00+02:00",
    ]
    assert times(crontab(0, 0, "mon", 29, 2), "2026-06-02T00:00", 1) == ["2044-02-29T00:00+01:00"]


@pytest.mark.parametrize(
    ("field", "spec", "numbers"),
    [
        ("minute", "*/15", {0, 15, 30, 45}),
        ("minute", "1,13,30-32,50-59/4", {1, 13, 30, 31, 32, 50, 54, 58}),
        ("hour", "22-2", {22, 23, 0, 1, 2}),
        ("hour", "22-3/2", {22, 0, 2}),
        ("hour", [8, 17], {8, 17}),
        ("hour", 0, {0}),
        ("day_of_week", "mon-fri", {1, 2, 3, 4, 5}),
        ("day_of_week", "fri-mon", {5, 6, 0, 1}),
        ("day_of_week", "Sunday,thurs", {0, 4}),
        ("month_of_year", "jan,NOV-dec", {1, 11, 12}),
        ("month_of_year", "2-12/2", {2, 4, 6, 8, 10, 12}),
        ("day_of_month", "*/3", {1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31}),
    ],
)
def test_fields_mean_what_they_mean_in_celery(field: str, spec: Any, numbers: set[int]) -> None:
    assert expand(field, spec) == numbers


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"minute": "60"}, "60 is not a number from 0 to 59"),
        ({"hour": "*/0"}, "needs a number from 1 up"),
        ({"hour": ""}, "a part of it is empty"),
        ({"hour": "5/10"}, "5-23/10"),
        ({"day_of_week": "7"}, "0 to 6"),
        ({"day_of_week": "jan"}, "'jan' is no number"),
        ({"day_of_month": 31, "month_of_year": "4,6"}, "no such month has such a day"),
        ({"minute": []}, "names no number"),
        ({"minute": True}, "a number, text or a list"),
        ({"minute": [1.5]}, "1.5 is not a number"),
        ({"zone": "Mars/Olympus"}, "no time zone"),
    ],
)
def test_what_means_nothing_is_refused_by_field(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        crontab(**given)


def test_from_string_has_the_order_of_crontab_5() -> None:
    assert crontab.from_string("0  4 1 * mon") == crontab(0, 4, "mon", 1)
    with pytest.raises(ImproperlyConfigured, match="4 fields"):
        crontab.from_string("0 4 1 *")


@given(fields)
def test_the_json_form_gives_an_equal_schedule(spec: dict[str, Any]) -> None:
    cron = crontab(**spec)
    read = schedule_from(cron.to_json())
    assert read == cron and hash(read) == hash(cron)
    assert isinstance(read, crontab) and (read.minute, read.day_of_week) == (cron.minute, cron.day_of_week)


def test_all_names_of_days_are_taken() -> None:
    assert [expand("day_of_week", day[:3]) for day in DAYS] == [{n} for n in range(7)]


def test_celerys_own_objects_are_taken_by_their_shape() -> None:
    class Foreign:
        nowfun = None
        _orig_minute, _orig_hour, _orig_day_of_week = {0, 30}, "8-17", "mon-fri"
        _orig_day_of_month, _orig_month_of_year = "*", "*"

    theirs = type("crontab", (Foreign,), {"__module__": "celery.schedules"})()
    assert schedule_of(theirs) == crontab("0,30", "8-17", "mon-fri")
    with pytest.raises(ImproperlyConfigured, match="is no schedule"):
        schedule_of(object())
