"""Counts of tasks by name, over processes."""

from __future__ import annotations

import os

import pytest

from tq.worker.tally import ROWS, Tally


def test_what_was_never_begun_is_left_out() -> None:
    tally = Tally(["a", "b"])
    tally.count("b")
    tally.count("b")
    assert tally.totals() == {"b": 2}


def test_a_worker_without_tasks_counts_nothing() -> None:
    assert Tally([]).totals() == {}


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_counts_of_children_outlive_them() -> None:
    tally = Tally(["a", "b"])
    tally.count("a")
    for index in (0, 1, 1, ROWS, 2 * ROWS + 1):
        pid = os.fork()
        if pid == 0:
            tally.use_row(index)
            tally.count("a")
            tally.count("b")
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    assert tally.totals() == {"a": 6, "b": 5}
