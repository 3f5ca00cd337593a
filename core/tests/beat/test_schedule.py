"""Intervals, what all schedules share, entries, and the words for people."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.beat.entries import entry_of, thawed
from tq.beat.form import schedule_from, schedule_of
from tq.beat.words import in_words
from tq.errors import ImproperlyConfigured
from tq.schedules import crontab, schedule, solar

UTC = dt.UTC
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
NOON = dt.datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)


def test_an_interval_counts_from_the_moment() -> None:
    assert schedule(90).next_after(NOON) == NOON + dt.timedelta(seconds=90)
    assert schedule(dt.timedelta(days=1)).seconds == 86400


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (dt.timedelta(days=1), "2026-06-02T00:00:00+02:00"),
        (dt.timedelta(hours=1), "2026-06-01T15:00:00+02:00"),
        (dt.timedelta(minutes=5), "2026-06-01T14:22:00+02:00"),
        (dt.timedelta(seconds=20), "2026-06-01T14:17:51+02:00"),
    ],
)
def test_a_relative_interval_ends_at_full_units_of_the_wall_clock(every: dt.timedelta, expected: str) -> None:
    moment = dt.datetime(2026, 6, 1, 14, 17, 31, 5, tzinfo=BERLIN)
    assert schedule(every, relative=True).next_after(moment).isoformat() == expected


@pytest.mark.parametrize("every", [0, -1, "soon", float("nan"), 1e300])
def test_what_is_no_interval_is_refused(every: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="run_every is"):
        schedule(every)


@given(st.floats(0.01, 1e6), st.floats(0, 1e7))
def test_resuming_keeps_the_row_of_due_times(every: float, later: float) -> None:
    when, due = schedule(every), NOON
    moment = due + dt.timedelta(seconds=later)
    found = when.resume(due, moment)
    assert moment < found <= moment + when.run_every
    assert (found - due) % when.run_every == dt.timedelta(0)


def test_resuming_before_the_due_time_leaves_it_as_it_is() -> None:
    for when in (schedule(60), schedule(60, True), crontab(0)):
        due = when.next_after(NOON)
        assert due is not None and when.resume(due, NOON) == due


@given(st.integers(1, 50), st.integers(0, 60 * 24 * 40))
def test_between_gives_the_last_of_all_due_times(limit: int, minutes: int) -> None:
    end = NOON + dt.timedelta(minutes=minutes)
    for when in (crontab("*/20"), crontab(5, "1-3"), schedule(1200.0)):
        due = when.next_after(NOON - dt.timedelta(minutes=1))
        assert due is not None
        walked, moment = [], due
        while moment <= end:
            walked.append(moment)
            following = when.next_after(moment)
            assert following is not None
            moment = following
        assert when.between(due, end, limit) == walked[-limit:]


def test_is_due_answers_as_in_celery() -> None:
    when = schedule(60, nowfun=lambda: NOON)
    assert when.is_due(NOON - dt.timedelta(seconds=61)) == (True, 60.0)
    assert when.is_due(NOON - dt.timedelta(seconds=40)) == (False, 20.0)
    assert when.remaining_estimate(NOON) == dt.timedelta(seconds=60)
    assert crontab(30, 12, nowfun=lambda: NOON).is_due(NOON) == (False, 1800.0)


def test_solar_events_are_in_order_and_leave_out_polar_days() -> None:
    pytest.importorskip("astral")
    names = (
        "dawn_astronomical",
        "dawn_nautical",
        "dawn_civil",
        "sunrise",
        "solar_noon",
        "sunset",
        "dusk_civil",
    )
    midnight = dt.datetime(2026, 3, 1, tzinfo=UTC)
    moments = [solar(name, 52.5, 13.4).next_after(midnight) for name in names]
    assert moments == sorted(moments, key=lambda moment: moment or midnight)
    # In Berlin the sun rises at about ten to seven on this day.
    sunrise = moments[3]
    assert sunrise is not None
    assert abs(sunrise - dt.datetime(2026, 3, 1, 5, 50, tzinfo=UTC)) < dt.timedelta(minutes=5)
    # At 78° N the sun does not rise from the end of October to the middle of February.
    rise = solar("sunrise", 78.2, 15.6).next_after(dt.datetime(2026, 11, 15, tzinfo=UTC))
    assert rise is not None and rise.date() > dt.date(2027, 2, 1)


def test_solar_refuses_what_is_no_event_or_place() -> None:
    with pytest.raises(ImproperlyConfigured, match="'teatime' is none of"):
        solar("teatime", 0, 0)
    with pytest.raises(ImproperlyConfigured, match="no place"):
        solar("sunset", 91, 0)


@pytest.mark.parametrize(
    "form",
    [
        {"type": "interval", "every": 1.5},
        {"type": "interval", "every": 3600.0, "relative": True},
        {"type": "crontab", "minute": "0", "zone": "Asia/Tokyo"},
        {"type": "crontab", "hour": "3", "zone": "+05:30"},
    ],
)
def test_a_form_comes_back_as_it_was(form: dict[str, Any]) -> None:
    assert schedule_from(form).to_json() == form
    assert schedule_of(form) == schedule_from(form)


@pytest.mark.parametrize(
    "form", [{}, {"type": "moon"}, {"type": "interval"}, {"type": "crontab", "second": 1}]
)
def test_a_form_that_means_nothing_is_refused(form: dict[str, Any]) -> None:
    with pytest.raises(ImproperlyConfigured, match="not the form of a schedule"):
        schedule_from(form)


# -- entries -------------------------------------------------------------------------------------------------


def test_an_entry_keeps_what_json_lacks() -> None:
    moment = dt.datetime(2026, 1, 1, tzinfo=UTC)
    given = {"task": "t", "schedule": 5, "args": (moment,), "options": {"expires": dt.timedelta(minutes=1)}}
    entry = entry_of("e", given)
    assert thawed(entry.args) == [moment]
    assert entry.options == {"expires": 60.0}


def test_a_schedule_class_of_ones_own_is_refused_by_name() -> None:
    class Mine(crontab):
        pass

    with pytest.raises(ImproperlyConfigured, match="'e': Mine is a class of your own"):
        entry_of("e", {"task": "t", "schedule": Mine()})


def test_relative_and_policies_are_keys_of_the_entry() -> None:
    given = {
        "task": "t",
        "schedule": 3600,
        "relative": True,
        "misfire": "catch-up",
        "overlap": "skip",
        "grace": 5,
    }
    entry = entry_of("e", given)
    assert entry.schedule == {"type": "interval", "every": 3600.0, "relative": True}
    assert (entry.misfire, entry.overlap, entry.grace) == ("catch-up", "skip", 5.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"schedule": 5}, "has no 'task'"),
        ({"task": "t"}, "has no 'schedule'"),
        ({"task": "t", "schedule": 5, "arg": [1]}, "unknown key 'arg'; did you mean 'args'"),
        ({"task": "t", "schedule": 5, "args": [object()]}, "args cannot be written as JSON"),
        ({"task": "t", "schedule": 5, "misfire": "never"}, "misfire"),
        ({"task": "t", "schedule": 5, "zone": "Berlin/Europe"}, "is no time zone"),
        ({"task": "t", "schedule": "nonsense"}, "has 1 fields"),
    ],
)
def test_a_wrong_entry_is_refused_by_its_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"periodic task 'mine': .*{message}"):
        entry_of("mine", given)


@pytest.mark.parametrize(
    ("when", "words"),
    [
        (schedule(30), "every 30 seconds"),
        (schedule(86400, True), "every day, at full ones"),
        (schedule(0.5), "every 0.5 seconds"),
        (crontab(), "every minute"),
        (crontab("*/5"), "every 5 minutes"),
        (crontab(0), "every hour"),
        (crontab([5, 35]), "every hour at :05 and :35"),
        (crontab(30, 7, "mon-fri"), "at 07:30, Monday to Friday"),
        (
            crontab(0, "8,20", "sat,sun", zone="Asia/Tokyo"),
            "at 08:00 and 20:00, Saturday and Sunday, Asia/Tokyo",
        ),
        (crontab("*/10", "8-17"), "every 10 minutes from hour 08 to 17"),
        (
            crontab(0, 0, day_of_month="1,15", month_of_year="1-3,12"),
            "at 00:00, day 1 and 15, in January to March and December",
        ),
    ],
)
def test_a_schedule_in_words(when: Any, words: str) -> None:
    assert in_words(when) == words
