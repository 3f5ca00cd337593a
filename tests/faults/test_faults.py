"""Each scenario in its short form, on each broker: nothing is lost, nothing doubles that no fault explains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.scenarios import SCENARIOS
from tests.faults.scenarios.scenario import SHORT, Scenario, Skip, play
from tests.faults.stores import KINDS, Servers
from tests.services.catalog import ServiceMissing
from tests.services.fixtures import unavailable

CASES = [
    pytest.param(scenario, kind, id=f"{scenario.name}-{kind}")
    for kind in KINDS
    for scenario in SCENARIOS
    if kind in scenario.brokers and kind in scenario.short
]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    started = Servers()
    yield started
    started.close()


@pytest.mark.parametrize(("scenario", "kind"), CASES)
def test_nothing_is_lost_or_doubled(scenario: Scenario, kind: str, servers: Servers, tmp_path: Path) -> None:
    try:
        row = play(scenario, kind, SHORT, servers, tmp_path)
    except ServiceMissing as missing:
        unavailable(str(missing))
    except Skip as reason:
        pytest.skip(str(reason))
    print(row)
    assert row.complaints() == []
