"""The model of many workers at one server."""

from __future__ import annotations

import pytest

from bench.costs import Cost, recorded
from bench.scaling import Load, ends, parts, simulate


def cost(microseconds: float) -> Cost:
    return Cost(round_trips=1, sent=0, received=0, server_us=microseconds)


COSTS = {"task": cost(10), "task by itself": cost(110), "one of 40 idle workers": cost(0)}


def test_few_workers_with_long_tasks_reach_what_the_tasks_allow() -> None:
    found = simulate(Load(workers=10, task=0.1), COSTS, turns=5000)
    assert found.rate == pytest.approx(found.ideal, rel=0.05)
    assert found.busy < 0.02


def test_too_many_workers_get_what_the_server_can_do() -> None:
    # One task of 20 ms a turn: 100 µs for the turn and 10 µs for its message.
    found = simulate(Load(workers=1000, task=0.02), COSTS, turns=20_000)
    assert found.rate == pytest.approx(1e6 / 110, rel=0.05)
    assert found.busy == pytest.approx(1, rel=0.05)


def test_idle_workers_take_their_part_of_the_server() -> None:
    half = COSTS | {"one of 40 idle workers": cost(500)}
    assert simulate(Load(1000, 0.02), half).rate == pytest.approx(1e6 / 220, rel=0.05)
    assert ends(half, 1.0) < ends(COSTS, 1.0)


def test_the_end_of_a_server_is_where_the_simulation_finds_it() -> None:
    workers = ends(COSTS, 0.02)
    assert simulate(Load(workers // 2, 0.02), COSTS).busy == pytest.approx(0.5, rel=0.1)


def test_constants_are_recorded_for_each_store_and_make_sense() -> None:
    found = recorded()
    assert set(found) == {"redis", "rabbitmq", "postgresql"}
    for costs in found.values():
        turn, each, idle = parts(costs)
        assert turn >= 0
        assert each > 0
        assert idle > 0
        assert costs["call"].round_trips >= 0.9
