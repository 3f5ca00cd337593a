"""How often a worker's garbage collector runs."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from tq.worker.collector import patient_collector


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_it_runs_more_rarely_while_a_pool_runs() -> None:
    gc.set_threshold(700, 10, 10)
    with patient_collector():
        assert gc.get_threshold() == (10_000, 10, 10)
    assert gc.get_threshold() == (700, 10, 10)


def test_it_waits_for_more_where_many_bodies_run_at_once() -> None:
    gc.set_threshold(700, 10, 10)
    with patient_collector(1_001):
        assert gc.get_threshold() == (50_000, 10, 10)


def test_a_threshold_that_somebody_chose_is_kept() -> None:
    gc.set_threshold(50_000, 5, 5)
    with patient_collector():
        assert gc.get_threshold() == (50_000, 5, 5)


def test_a_collector_that_was_switched_off_stays_off() -> None:
    gc.disable()
    try:
        with patient_collector():
            assert not gc.isenabled()
            assert gc.get_threshold()[0] != 10_000
    finally:
        gc.enable()


def test_what_was_there_before_is_not_looked_at_while_a_pool_runs() -> None:
    gc.unfreeze()
    with patient_collector():
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def test_what_somebody_else_froze_stays_so() -> None:
    gc.freeze()
    try:
        with patient_collector():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


class _Node:
    """Part of a cycle that the collector alone can end."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize("tidies", [True, False])
def test_a_worker_that_has_the_process_for_itself_begins_without_garbage(tidies: bool) -> None:
    gc.disable()
    try:
        left = weakref.ref(_Node())
        with patient_collector(tidies=tidies):
            assert (left() is None) == tidies
    finally:
        gc.enable()
