"""saferepr shows what repr shows, but never raises and never runs away."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.wire.saferepr import saferepr

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50) | st.binary(max_size=50)
)
nested = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.tuples(inner)
        | st.dictionaries(scalars, inner, max_size=3)
        | st.sets(scalars, max_size=3)
    ),
    max_leaves=6,
)


class Raising:
    def __repr__(self) -> str:
        raise KeyError("no")


class NotText:
    def __repr__(self) -> Any:
        return 5


class Wide:
    def __repr__(self) -> str:
        return "w" * 10**6


@given(nested, st.integers(0, 2000))
def test_it_is_never_longer_than_the_limit(value: Any, limit: int) -> None:
    assert len(saferepr(value, limit)) <= max(limit, 3)


@given(st.lists(scalars, max_size=4) | st.dictionaries(st.text(max_size=9), scalars, max_size=4) | scalars)
def test_small_values_look_as_repr_shows_them(value: Any) -> None:
    assert saferepr(value) == repr(value)


@pytest.mark.parametrize(
    "value",
    [(), (1,), [], {}, set(), {1}, [(1, [2, {"a": 3}])], frozenset({1}), 1 + 2j, range(3), ...],
    ids=repr,
)
def test_small_values_of_every_shape_look_as_repr_shows_them(value: Any) -> None:
    assert saferepr(value) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        list(range(10**6)),
        dict.fromkeys(range(10**6)),
        ["x" * 10**7],
        [b"x" * 10**7],
        [Wide()] * 1000,
        [[["y" * 1000] * 1000] * 1000] * 1000,
    ],
    ids=["list", "dict", "text", "bytes", "wide", "tree"],
)
def test_huge_values_are_cut_with_a_sign(value: Any) -> None:
    text = saferepr(value)
    assert len(text) <= 1024
    assert "..." in text


def test_a_value_that_holds_itself_is_shown_to_some_depth() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    assert saferepr(loop) == "[1, [1, [1, [1, [...]]]]]"
    table: dict[str, Any] = {}
    table["me"] = table
    assert saferepr(table).endswith("{...}}}}}")


def test_deep_nesting_does_not_exhaust_the_stack() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert saferepr(deep) == "[[[[[...]]]]]"


def test_a_repr_that_fails_is_named() -> None:
    assert saferepr((1, Raising())) == "(1, <Raising: its repr raised KeyError>)"
    assert saferepr({"a": NotText()}) == "{'a': <NotText: its repr raised TypeError>}"


def test_an_int_too_long_to_print_is_measured() -> None:
    huge = 1 << (sys.get_int_max_str_digits() * 10)
    assert saferepr([huge]) == f"[<int of {huge.bit_length()} bits>]"


def test_the_cut_is_within_the_limit_and_marked() -> None:
    assert saferepr("abcdefgh", 6) == "'ab..."
    assert saferepr([1, 2, 3, 4, 5, 6], 9).endswith("...")
