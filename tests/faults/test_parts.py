"""No scenario is forgotten, and none is played twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.faults.scenarios import SCENARIOS
from tests.faults.short import PARTS, chosen


def test_each_short_scenario_is_in_one_part_and_each_part_is_a_file() -> None:
    played = Counter((kind, scenario.name) for kind, modules in PARTS for scenario in chosen(kind, modules))
    assert played == Counter(
        (kind, scenario.name) for scenario in SCENARIOS for kind in {*scenario.short} & {*scenario.brokers}
    )
    files = [file.read_text() for file in Path(__file__).parent.glob("test_*.py")]
    for number in range(len(PARTS)):
        assert sum(f"= part({number})" in text for text in files) == 1
