"""The short form of the scenarios as tests, in parts of about one length: a part is a file, and a file a process.

A verdict is about what was lost, doubled or wrong. What was slow is printed: a busy machine is no fault of the queue.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.scenarios import SCENARIOS
from tests.faults.scenarios.scenario import SHORT, Scenario, Skip, play
from tests.faults.stores import NEW, Servers
from tests.services.catalog import ServiceMissing
from tests.services.fixtures import unavailable

MODULES = (
    *("deaths", "servers", "disk", "network", "poison", "timers", "sharing", "clocks", "memory", "workflows"),
)
PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("redis", ("deaths", "clocks", "workflows", "uniques", "schedulers")),
    ("redis", ("servers", "network")),
    ("redis", ("poison", "timers", "sharing", "memory")),
    ("sqlite", ("deaths", "servers", "disk", "clocks", "uniques")),
    ("sqlite", ("poison", "timers", "sharing")),
    ("postgresql", ("deaths", "servers", "network", "clocks")),
    ("postgresql", ("poison", "timers", "sharing")),
    ("mariadb", ("deaths", "servers", "network")),
    *((kind, MODULES) for kind in NEW),
)
"""Kinds of stores, and modules of `scenarios`."""


def chosen(kind: str, modules: tuple[str, ...]) -> list[Scenario]:
    """The scenarios of one part."""
    return [
        scenario
        for scenario in SCENARIOS
        if kind in scenario.brokers
        and kind in scenario.short
        and scenario.play.__module__.rpartition(".")[2] in modules
    ]


def part(number: int) -> Callable[..., Any]:
    """The test of one part, to be named `test_...` in a file of its own."""
    kind, modules = PARTS[number]

    @pytest.mark.parametrize(
        "scenario", chosen(kind, modules), ids=lambda scenario: f"{scenario.name}-{kind}"
    )
    def test(scenario: Scenario, servers: Servers, tmp_path: Path) -> None:
        try:
            row = play(scenario, kind, SHORT, servers, tmp_path)
        except ServiceMissing as missing:
            unavailable(str(missing))
        except Skip as reason:
            pytest.skip(str(reason))
        print(row.summary())
        assert row.complaints() == []

    return test
