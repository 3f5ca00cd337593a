"""What the benchmark's figures are made into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench import guard, report
from bench.goals import OWN
from bench.peer import variants
from bench.rounds import takes_part
from bench.rows import MEASUREMENTS, ROWS, Measurement


def result(**figures: dict[str, list[float]]) -> dict[str, Any]:
    return {
        "when": "2026-01-01",
        "machine": "m",
        "rounds": 3,
        "versions": {},
        "notes": [],
        "figures": figures,
    }


def test_a_ratio_compares_the_medians_of_the_defaults_and_of_the_peers_best_variants() -> None:
    measured = result(
        drain={
            "tq default": [90, 100, 500],
            "tq events": [200],
            "Celery prefork": [2, 2, 2],
            "Celery solo": [4, 5, 9],
        }
    )
    assert report.ratios(measured) == {"drain": {"Celery": 20}}


def test_a_ratio_is_above_one_where_less_is_better_and_tq_has_less() -> None:
    assert report.ratios(result(start={"tq default": [0.5], "huey fast": [2.0]})) == {"start": {"huey": 4}}


def test_the_guard_names_what_fell_by_more_than_a_fifth() -> None:
    now = result(
        drain={"tq default": [70], "Celery prefork": [1]}, delay={"tq default": [9], "huey fast": [1]}
    )
    committed = {"drain": {"Celery": 100.0}, "delay": {"huey": 10.0}, "bulk": {"rq": 3.0}}
    assert guard.slower(now, committed) == ["drain: 70.0 times Celery, was 100.0"]


def test_the_table_has_a_line_for_each_row_and_says_which_goals_are_met() -> None:
    text = report.markdown(
        result(drain={"tq default": [110], "huey fast": [6], "Celery prefork": [1], "limit redis": [900]})
    )
    assert "| Drain, no results, tasks/s | 110 | 6 (huey fast) | 1 | 18.3 | 110.0 |" in text
    assert "100 × Celery prefork: met (110)" in text
    assert "20 × the best: **not met** (18.3)" in text
    assert " 1 are met, 1 are not, " in text


def test_what_is_written_can_be_read_by_the_guard(tmp_path: Path) -> None:
    measured = result(drain={"tq default": [100], "huey fast": [5]})
    report.write(measured, tmp_path / "docs", tmp_path / "results")
    assert (tmp_path / "results" / "ratios.json").read_text().split() == [
        *("{", '"drain":', "{", '"huey":', "20.0", "}", "}")
    ]
    assert "| 100 |" in (tmp_path / "docs" / "table.md").read_text()


@pytest.mark.parametrize("measurement", MEASUREMENTS, ids=lambda measurement: measurement.name)
def test_tq_and_somebody_else_take_part_in_each_measurement(measurement: Measurement) -> None:
    taking = {variant.peer for variant in variants() if takes_part(variant, measurement)}
    assert OWN in taking
    assert len(taking) > 1


def test_each_row_has_a_goal_and_is_filled_by_one_measurement() -> None:
    filled = [row for measurement in MEASUREMENTS for row in measurement.rows]
    assert sorted(filled) == sorted(ROWS)
    assert all(row.goals for row in ROWS.values())


def test_the_measurements_that_a_variant_names_exist() -> None:
    known = {measurement.name for measurement in MEASUREMENTS}
    for variant in variants():
        assert {*variant.rows, *variant.skips} <= known, f"{variant.file} names what is not measured"
