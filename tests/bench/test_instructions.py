"""The hot path costs no more instructions than it did."""

from __future__ import annotations

import os

import pytest

from bench import instructions
from bench.hotpath import main as hot_path
from tests.services.catalog import ServiceMissing

BEFORE = {"redis: drain": {"instructions": 1000, "calls": {"tq.a": 1.0, "tq.b": 2.0}}}


def test_no_task_costs_more_instructions_than_what_is_recorded() -> None:
    before = instructions.recorded()
    if not before:
        pytest.skip(f"no counts are recorded for Python {instructions.PYTHON}")
    try:
        found = instructions.count()
    except ServiceMissing as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))
    assert set(found) == set(before)
    assert instructions.compare(found, before) == [], "`python -m bench.instructions --record` accepts it"


def test_counts_are_recorded_for_a_version_that_ci_has() -> None:
    assert "3.11" in instructions.RECORDED.read_text()


def test_what_became_dearer_is_named_with_the_functions_that_are_called_more_often() -> None:
    now = {"redis: drain": {"instructions": 1200, "calls": {"tq.a": 1.0, "tq.b": 4.0, "tq.c": 1.0}}}
    assert instructions.compare(now, BEFORE) == [
        "redis: drain: 1,200 instructions a task, were 1,000; more calls: tq.b 2 to 4, tq.c 0 to 1"
    ]


def test_a_rise_within_the_tolerance_and_a_segment_that_is_new_are_no_news() -> None:
    now = {
        "redis: drain": {"instructions": 1100, "calls": {}},
        "redis: bulk": {"instructions": 9, "calls": {}},
    }
    assert instructions.compare(now, BEFORE) == []


def test_the_hot_path_can_be_walked_on_the_memory_broker(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tq.policy.batch.BatchSize.observe", None
    )  # both are set by the program, and put back
    monkeypatch.setattr("tq.worker.engine.PATIENCE", 1.0)
    hot_path(["--calls", "memory://hot"])
    assert [line.split('"')[1] for line in capsys.readouterr().out.splitlines()] == [
        "memory: delay",
        "memory: drain",
        "memory: drain with results",
        "memory: drain with events",
        "memory: bulk",
    ]
