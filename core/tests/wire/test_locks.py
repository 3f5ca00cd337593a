"""Keys of unique tasks, and what messages from outside may say of theirs."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tq.records import Lock
from tq.wire.locks import KEY, LONGEST, SECONDS, lock_key, lock_of

ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())
TEXT = st.text(st.characters(codec="utf-8"))


def test_the_order_of_keywords_does_not_matter_and_the_task_does() -> None:
    key = lock_key("t", (1,), {"a": 1, "b": {"x": 1, "y": 2}}, None)
    assert key == lock_key("t", [1], {"b": {"y": 2, "x": 1}, "a": 1}, None)
    assert key != lock_key("u", (1,), {"a": 1, "b": {"x": 1, "y": 2}}, None)
    assert lock_key("t", (1,), {}, "mine") == lock_key("t", (2,), {}, "mine")


@given(st.text(), st.text())
def test_every_key_that_is_made_is_one_that_is_read(task: str, chosen: str) -> None:
    key = lock_key(task, (), {}, chosen)
    assert lock_of({KEY: key, SECONDS: 1}, "id") == Lock(key, "id", 1.0)


@given(ANY, ANY, ANY)
def test_headers_may_be_anything(key: Any, seconds: Any, owner: Any) -> None:
    lock = lock_of({KEY: key, SECONDS: seconds}, owner)
    if lock is not None:
        assert 0 < len(lock.key.encode()) <= LONGEST
        assert lock.seconds > 0
