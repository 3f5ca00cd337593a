"""No bytes make a decoder raise anything but what it promises: random ones, damaged ones, and those found before."""

from __future__ import annotations

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import SEEDS, TARGETS

WORDS = st.sampled_from(
    [
        b"[",
        b"]",
        b"{",
        b"}",
        b'"',
        b":",
        b",",
        b"\\ud800",
        b"__type__",
        b"exc_type",
        b"headers",
        b"1e999",
        b"null",
    ]
)


@st.composite
def damaged(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A good one, cut, or with something else in its middle."""
    seed = draw(st.sampled_from(seeds))
    begin = draw(st.integers(0, len(seed)))
    end = draw(st.integers(begin, min(len(seed), begin + 8)))
    middle = draw(st.binary(max_size=6) | st.lists(WORDS, max_size=4).map(b"".join))
    return seed[:begin] + middle + draw(st.sampled_from([seed[end:], b""]))


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """A worker has a word to say about each of thousands of bad messages."""
    caplog.set_level(logging.CRITICAL, "tq")


def test_every_target_has_seeds_that_it_reads() -> None:
    assert set(SEEDS) == set(TARGETS)
    for name, seeds in SEEDS.items():
        for seed in seeds:
            TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bytes_break_a_decoder(name: str, data: st.DataObject) -> None:
    TARGETS[name](data.draw(damaged(SEEDS[name]) | st.binary(max_size=300)))
