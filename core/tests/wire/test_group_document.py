"""Groups as bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.errors import BackendError
from tq.records import GroupPart
from tq.wire.group_document import (
    end_of,
    part_of,
    read_end,
    read_saved,
    read_value,
    write_end,
    write_saved,
    write_value,
)
from tq.wire.json import JsonSerializer

JSON = JsonSerializer()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(st.text(max_size=40), st.integers(-1, 10_000), VALUES)
def test_the_end_of_a_member_is_read_as_it_was_written(task_id: str, index: int, result: Any) -> None:
    part = GroupPart("g", index, task_id, "SUCCESS", result)
    end = read_end("g", write_end(end_of(part, JSON)))
    assert part_of("g", end, JSON) == part


@given(VALUES)
def test_ids_of_a_saved_group_are_read_as_they_were_written(structure: Any) -> None:
    assert read_saved("g", write_saved(structure, JSON), JSON) == structure


@given(st.binary(max_size=60))
def test_bytes_that_are_no_end_are_an_error_that_names_the_group(raw: bytes) -> None:
    try:
        end = read_end("the-group", raw)
    except BackendError as exc:
        assert "a member of group the-group cannot be read" in str(exc)
    else:
        assert read_end("the-group", write_end(end)) == end


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"other": 1}', b"3"])
def test_a_saved_group_that_is_none_is_an_error_that_names_it(raw: bytes) -> None:
    with pytest.raises(BackendError, match="the saved group the-group cannot be read"):
        read_saved("the-group", raw, JSON)


def test_what_a_member_returned_and_the_serializer_cannot_write_is_an_error() -> None:
    with pytest.raises(BackendError, match="a member of a group cannot be stored"):
        write_value(object(), JSON)


def test_a_value_that_the_serializer_cannot_read_is_an_error_that_names_the_group() -> None:
    with pytest.raises(BackendError, match="a member of group the-group cannot be read"):
        read_value("the-group", b"\xff{", JSON)
