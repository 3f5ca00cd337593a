"""What the benchmark's figures are made into."""

from __future__ import annotations

from typing import Any

import pytest

from bench import guard, report
from bench.peer import variants
from bench.rows import ALL


def result(**figures: dict[str, list[float]]) -> dict[str, Any]:
    return {
        "when": "2026-01-01",
        "machine": "m",
        "rounds": 3,
        "versions": {},
        "notes": [],
        "figures": figures,
    }


def test_a_ratio_compares_the_medians_of_the_best_variants() -> None:
    measured = result(
        drain={"tq default": [90, 100, 500], "Celery prefork": [2, 2, 2], "Celery solo": [4, 5, 9]}
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


def test_the_table_has_a_line_for_each_row_and_names_the_best_peer() -> None:
    text = report.markdown(result(drain={"tq default": [100], "huey fast": [5], "Celery prefork": [1]}))
    assert "| Drain, no results, tasks/s | 100 | 5 (huey fast) | 1 | 20.0 | 100.0 |" in text


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.name)
def test_each_row_has_a_program_of_tq_and_one_of_a_peer_or_none_knows_its_store(row: Any) -> None:
    taking = {
        variant.peer for variant in variants() if variant.knows(row.command) and row.store in variant.stores
    }
    assert "tq" in taking


def test_the_variants_that_a_row_leaves_out_are_named_rightly() -> None:
    known = {row.name for row in ALL} | {row.name.partition("_")[0] for row in ALL}
    for variant in variants():
        assert set(variant.rows) <= known, f"{variant.file} names unknown rows"
