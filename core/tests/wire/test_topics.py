"""Patterns of routing keys."""

from __future__ import annotations

import pytest

from tq.wire.topics import matcher


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("#", ["", "a", "a.b.c"], []),
        ("task.#", ["task", "task.sent", "task.a.b"], ["tasks.sent", "worker", "a.task"]),
        ("task.*", ["task.sent"], ["task", "task.a.b", "worker.sent"]),
        ("*.multi", ["task.multi"], ["multi", "a.task.multi"]),
        ("#.multi", ["task.multi", "multi", "a.b.multi"], ["multi.a"]),
        ("a.#.z", ["a.z", "a.b.z", "a.b.c.z"], ["a.zz", "a"]),
        ("task.sent", ["task.sent"], ["task", "taskXsent"]),
        ("t(x.*", ["t(x.a"], ["t(x"]),
    ],
)
def test_a_pattern_fits_by_words(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    fit = matcher(pattern)
    assert [key for key in fits + fits_not if fit(key)] == fits
