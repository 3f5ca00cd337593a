"""Moments as callers give them."""

from __future__ import annotations

import datetime as dt
import time
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.errors import InvalidTask
from tq.policy.times import LocalZone, end_of, iso, seconds, start_of, unix_time
from tq.wire.isotime import parse_iso

NOW = 1_800_000_000.0
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
NAIVE = st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2200, 1, 1))
ZONES = st.sampled_from([dt.UTC, BERLIN, dt.timezone(dt.timedelta(hours=-7, minutes=30))])
DURATIONS = st.floats(-1e8, 1e8)


@given(moment=NAIVE, zone=ZONES)
def test_naive_moments_are_in_the_zone_whether_object_or_text(moment: dt.datetime, zone: dt.tzinfo) -> None:
    expected = moment.replace(tzinfo=zone).timestamp()
    assert unix_time(moment, "eta", zone) == expected
    assert unix_time(moment.isoformat(), "eta", zone) == expected


@given(moment=NAIVE, own=ZONES, zone=ZONES)
def test_aware_moments_keep_their_own_offset(moment: dt.datetime, own: dt.tzinfo, zone: dt.tzinfo) -> None:
    aware = moment.replace(tzinfo=own)
    assert unix_time(aware, "eta", zone) == aware.timestamp()
    assert unix_time(aware.isoformat(), "eta", zone) == pytest.approx(aware.timestamp(), abs=1e-6)


@given(unix=st.floats(0, 7e9))
def test_what_is_written_reads_back_and_says_its_offset(unix: float) -> None:
    assert iso(unix).endswith("+00:00")
    assert parse_iso(iso(unix)) == pytest.approx(unix, abs=1e-6)


@given(countdown=DURATIONS.filter(bool), eta=NAIVE)
def test_a_countdown_wins_over_an_eta(countdown: float, eta: dt.datetime) -> None:
    assert start_of(countdown, eta, NOW) == NOW + countdown
    assert start_of(dt.timedelta(seconds=60), eta, NOW) == NOW + 60


@pytest.mark.parametrize("nothing", [0, 0.0, None, dt.timedelta(0)])
def test_a_countdown_of_nothing_starts_at_once(nothing: object) -> None:
    assert start_of(nothing, None, NOW) is None
    assert (
        start_of(nothing, dt.datetime(2030, 1, 1), NOW) == dt.datetime(2030, 1, 1, tzinfo=dt.UTC).timestamp()
    )


@given(expires=DURATIONS)
def test_a_number_for_expires_counts_from_now(expires: float) -> None:
    assert end_of(expires, NOW) == NOW + expires
    assert end_of(None, NOW) is None


@given(moment=NAIVE, zone=ZONES)
def test_expires_may_be_a_moment_in_each_form(moment: dt.datetime, zone: dt.tzinfo) -> None:
    expected = moment.replace(tzinfo=zone).timestamp()
    assert end_of(moment, NOW, zone) == end_of(moment.isoformat(), NOW, zone) == expected


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 10**400, True, "10", [1], object()])
def test_what_is_no_duration_is_refused_by_name(wrong: object) -> None:
    with pytest.raises(InvalidTask, match="countdown must be"):
        seconds(wrong, "countdown")


@pytest.mark.parametrize("wrong", ["tomorrow", "", "2026-13-01", 5, dt.date(2026, 1, 1), [1]])
def test_what_is_no_moment_is_refused_by_name(wrong: object) -> None:
    with pytest.raises(InvalidTask, match="eta"):
        unix_time(wrong, "eta")


@pytest.mark.parametrize("unix", [1e15, -1e15, float("nan")])
def test_a_time_without_a_date_is_refused(unix: float) -> None:
    with pytest.raises(InvalidTask, match="too far away"):
        iso(unix)


@given(
    moment=NAIVE.filter(lambda moment: moment.year < 2037), other=st.sampled_from(["Europe/Berlin", "UTC"])
)
def test_the_local_zone_reckons_as_the_machine_does(moment: dt.datetime, other: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", other)
        time.tzset()
        local = moment.replace(tzinfo=LocalZone())
        assert local.timestamp() == moment.timestamp()
        assert local.utcoffset() == moment.astimezone().utcoffset()
        assert bool(local.dst()) == bool(time.localtime(moment.timestamp()).tm_isdst)
        there = dt.datetime.fromtimestamp(moment.timestamp(), LocalZone())
        assert there.replace(tzinfo=None) == dt.datetime.fromtimestamp(moment.timestamp())
    time.tzset()
