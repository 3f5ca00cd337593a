"""No scenario is forgotten, none is played twice, and what is not played has a reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.scenarios import SCENARIOS
from tests.faults.scenarios.scenario import Scenario
from tests.faults.short import PARTS, chosen
from tests.faults.stores import KINDS


def test_each_short_scenario_is_in_one_part_and_each_part_is_a_file() -> None:
    played = Counter((kind, scenario.name) for kind, modules in PARTS for scenario in chosen(kind, modules))
    assert played == Counter(
        (kind, scenario.name) for scenario in SCENARIOS for kind in {*scenario.short} & {*scenario.brokers}
    )
    files = [file.read_text() for file in Path(__file__).parent.glob("test_*.py")]
    for number in range(len(PARTS)):
        assert sum(f"= part({number})" in text for text in files) == 1


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_each_scenario_is_played_on_every_broker_or_says_why_not(scenario: Scenario) -> None:
    left_out = scenario.left_out()
    assert {*scenario.brokers, *left_out} == {*KINDS}
    assert all(left_out.values())
