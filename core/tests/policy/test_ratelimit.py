"""Rate limits: the forms they are written in, and a bucket that keeps them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.errors import ImproperlyConfigured
from tq.policy.ratelimit import LONGEST, SLOTS, TokenBucket, parse_rate

RATES = st.floats(0.01, 10_000)


@pytest.mark.parametrize(
    ("limit", "rate"),
    [
        (None, None),
        (0, None),
        ("0", None),
        ("0/m", None),
        (10, 10.0),
        (0.5, 0.5),
        ("10", 10.0),
        ("10/s", 10.0),
        (" 10/s ", 10.0),
        ("30/m", 0.5),
        ("3600/h", 1.0),
        ("1.5/s", 1.5),
    ],
)
def test_a_limit_is_read_as_tasks_a_second(limit: str | float | None, rate: float | None) -> None:
    assert parse_rate(limit) == rate


@pytest.mark.parametrize(
    "limit", ["", "fast", "10/d", "10/", "/s", "-1", "1e3", -1, float("nan"), float("inf"), True, [10]]
)
def test_what_is_no_rate_is_refused_with_the_forms_there_are(limit: object) -> None:
    with pytest.raises(ImproperlyConfigured, match="'10/s', '100/m', '1000/h'"):
        parse_rate(limit)  # type: ignore[arg-type]


@given(rate=RATES, steps=st.lists(st.floats(0, 10), max_size=200))
def test_no_more_than_the_rate_starts_whoever_asks_whenever(rate: float, steps: list[float]) -> None:
    bucket, now, starts = TokenBucket(rate), 0.0, []
    for step in steps:
        now += step
        wait = bucket.wait(now)
        assert wait >= 0
        if wait == 0:
            starts.append(now)
    for one, following in itertools.pairwise(starts):
        assert following - one >= 1 / rate * 0.998


@given(rate=RATES, count=st.integers(2, 300))
def test_those_who_wait_are_not_all_sent_back_at_once(rate: float, count: int) -> None:
    bucket = TokenBucket(rate)
    assert bucket.wait(0.0) == 0.0
    waits = [bucket.wait(0.0) for _ in range(count - 1)]
    longest = max(LONGEST, SLOTS / rate)
    assert all(0 < wait <= longest + 1 / rate for wait in waits)
    slots = min(len(waits), int(longest * rate) - 1)
    assert len({round(wait * rate) for wait in waits}) >= slots


@given(rate=RATES, count=st.integers(1, 50))
def test_who_comes_back_when_told_gets_its_turn(rate: float, count: int) -> None:
    bucket = TokenBucket(rate)
    waiting = [0.0] * count
    turns = 0
    while waiting and turns < 10 * count:
        waiting.sort()
        now = waiting.pop(0)
        wait = bucket.wait(now)
        turns += 1
        if wait:
            waiting.append(now + wait)
    assert not waiting
    if count <= max(LONGEST * rate, SLOTS):
        assert turns <= 2 * count


def test_a_pause_does_not_save_up_a_burst() -> None:
    bucket = TokenBucket(10)
    assert bucket.wait(1000.0) == 0.0
    assert bucket.wait(1000.0) == pytest.approx(0.1)
