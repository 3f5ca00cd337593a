"""The size of the next batch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tq.policy.batch import LARGEST, TARGET, BatchSize

OBSERVATIONS = st.lists(st.tuples(st.integers(-1, 1000), st.floats(0, 1e5)), max_size=60)


@given(slots=st.integers(1, 300), largest=st.integers(1, 512), seen=OBSERVATIONS)
def test_it_stays_between_the_slots_and_the_largest(
    slots: int, largest: int, seen: list[tuple[int, float]]
) -> None:
    size = BatchSize(slots=slots, largest=largest)
    for count, seconds in seen:
        size.observe(count, seconds)
        assert slots <= size.limit <= max(slots, largest)


def test_it_begins_with_one_delivery_for_each_slot() -> None:
    assert BatchSize().limit == 1
    assert BatchSize(slots=12).limit == 12


@given(slots=st.integers(1, 32))
def test_for_bodies_that_cost_nothing_it_grows_to_the_largest(slots: int) -> None:
    size = BatchSize(slots=slots)
    for _ in range(6):
        size.observe(size.limit, 0.0)
    assert size.limit == LARGEST + (slots if slots > 1 else 0)


@given(slots=st.integers(2, 2000), seconds=st.floats(0.001, 100))
def test_slots_have_those_at_hand_that_start_within_the_target(slots: int, seconds: float) -> None:
    size = BatchSize(slots=slots)
    for _ in range(6):
        size.observe(1, seconds)
    soon = int(TARGET * slots / seconds)
    assert size.limit == slots + (min(soon, LARGEST) if soon * 4 >= slots else 0)


@given(slots=st.integers(1, 32))
def test_it_may_begin_anew_and_grows_again(slots: int) -> None:
    size = BatchSize(slots=slots)
    for _ in range(6):
        size.observe(size.limit, 0.0)
    size.restart()
    assert size.limit == slots
    size.observe(1, 0.0)
    assert size.limit > slots


@given(seconds=st.floats(TARGET * 20, 1e4))
def test_one_slow_batch_shrinks_the_very_next_one(seconds: float) -> None:
    size = BatchSize()
    for _ in range(6):
        size.observe(size.limit, 0.0001)
    assert size.limit == LARGEST
    size.observe(1, seconds)
    assert size.limit == 1


@given(each=st.floats(1e-6, 1e-2))
def test_steady_bodies_fill_about_the_target(each: float) -> None:
    size = BatchSize()
    for _ in range(60):
        size.observe(size.limit, size.limit * each)
    wanted = max(1, min(LARGEST, int(TARGET / each)))
    assert abs(size.limit - wanted) <= 1


@given(first=st.floats(0, 1e4), each=st.floats(1e-6, 1e-2))
def test_what_the_first_bodies_of_a_process_took_is_soon_forgotten(first: float, each: float) -> None:
    size = BatchSize()
    size.observe(1, first)
    for _ in range(4):
        size.observe(size.limit, size.limit * each)
    wanted = max(1, min(LARGEST, int(TARGET / each)))
    assert abs(size.limit - wanted) <= 1
