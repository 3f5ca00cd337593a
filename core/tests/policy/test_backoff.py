"""Pauses between attempts stay within their bounds."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tq.policy.backoff import backoff, reconnect_delays

FACTORS = st.floats(0, 1e6)
MAXIMA = st.floats(0, 1e6)


@given(retries=st.integers(0, 10**6), factor=FACTORS, maximum=MAXIMA)
def test_without_jitter_it_doubles_up_to_the_maximum(retries: int, factor: float, maximum: float) -> None:
    wait = backoff(retries, factor=factor, maximum=maximum, jitter=False)
    assert wait <= maximum
    if retries <= 64:
        assert wait == min(maximum, factor * 2.0**retries)


@given(retries=st.integers(0, 10**6), factor=FACTORS, maximum=MAXIMA)
def test_jitter_takes_any_time_from_nothing_to_that(retries: int, factor: float, maximum: float) -> None:
    ceiling = backoff(retries, factor=factor, maximum=maximum, jitter=False)
    assert 0 <= backoff(retries, factor=factor, maximum=maximum) <= ceiling
    assert backoff(retries, factor=factor, maximum=maximum, uniform=lambda low, high: high) == ceiling
    assert backoff(retries, factor=factor, maximum=maximum, uniform=lambda low, high: low) == 0.0


@given(first=st.floats(0.001, 1), maximum=st.floats(1, 60))
def test_pauses_before_a_reconnect_grow_to_the_maximum_and_never_end(first: float, maximum: float) -> None:
    delays = list(itertools.islice(reconnect_delays(first=first, maximum=maximum), 40))
    assert all(0 < delay <= maximum for delay in delays)
    assert delays[0] <= first
    assert delays[-1] >= maximum / 2
