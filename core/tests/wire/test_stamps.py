"""Stamps as texts: one for each pair, never the same for two, and nothing that a message holds can raise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.wire.stamps import stamp_key, stamp_keys

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.text(), st.text(), st.text(), st.text())
def test_two_pairs_have_two_texts(header: str, value: str, other: str, another: str) -> None:
    same = (header, value) == (other, another)
    assert (stamp_key(header, value) == stamp_key(other, another)) is same


@given(st.text(), st.text())
def test_every_store_takes_the_text_where_it_takes_an_id(header: str, value: str) -> None:
    assert len(stamp_key(header, value).encode()) < 255


@given(JSON)
def test_whatever_a_message_holds_has_some_texts(stamps: Any) -> None:
    assert all(isinstance(key, str) for key in stamp_keys(stamps))


@pytest.mark.parametrize("values", ["a", ["a"], ("a",)])
def test_one_value_is_a_list_of_one(values: Any) -> None:
    assert stamp_keys({"tenant": values}) == [stamp_key("tenant", "a")]


def test_numbers_are_compared_as_text_as_a_command_line_gives_them() -> None:
    assert stamp_key("tenant", 7) == stamp_key("tenant", "7")
