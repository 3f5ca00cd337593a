"""Which goals are met."""

from __future__ import annotations

import pytest

from bench.goals import BEST, Goal, at_least, at_most, of_limit, of_own, times

FIGURES = {
    "drain": {"tq default": [100.0], "Celery prefork": [1.0], "Celery solo": [4.0], "limit sqlite": [240.0]},
    "two": {"tq default": [130.0], "limit sqlite": [900.0]},
    "late": {"tq default": [2.0, 3.0, 4.0], "huey fast": [6.0]},
    "pools": {"tq threads": [20.0], "tq asyncio": [80.0]},
}


@pytest.mark.parametrize(
    ("goal", "row", "larger", "met"),
    [
        (times("Celery prefork", 100), "drain", True, True),
        (times("Celery", 26), "drain", True, False),
        (times(BEST, 25), "drain", True, True),
        (times("Celery", 2), "two", True, None),
        (times(BEST, 2), "late", False, True),
        (times(BEST, 2.1), "late", False, False),
        (of_limit(1 / 3), "drain", True, True),
        (of_limit(1 / 3), "two", True, False),
        (of_limit(1 / 3, 120), "two", True, True),
        (of_own("drain", 1.3), "two", True, True),
        (of_own("drain", 0.02, at_most=True), "late", False, False),
        (at_most(3, "ms"), "late", False, True),
        (at_most(2.9, "ms"), "late", False, False),
        (at_least(80, "%"), "pools", True, True),
        (at_least(80, "%"), "absent", True, None),
    ],
    ids=lambda value: value.text if isinstance(value, Goal) else str(value),
)
def test_a_goal_is_met_missed_or_was_not_measured(
    goal: Goal, row: str, larger: bool, met: bool | None
) -> None:
    assert goal.verdict(FIGURES, row, larger).met is met
