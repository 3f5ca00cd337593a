"""All scenarios, in the order of the table."""

from __future__ import annotations

from tests.faults.scenarios import (
    clocks,
    deaths,
    disk,
    memory,
    network,
    poison,
    schedulers,
    servers,
    sharing,
    timers,
    uniques,
    workflows,
)
from tests.faults.scenarios.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *deaths.SCENARIOS,
    *servers.SCENARIOS,
    *disk.SCENARIOS,
    *network.SCENARIOS,
    *poison.SCENARIOS,
    *timers.SCENARIOS,
    *sharing.SCENARIOS,
    *clocks.SCENARIOS,
    *memory.SCENARIOS,
    *workflows.SCENARIOS,
    *uniques.SCENARIOS,
    *schedulers.SCENARIOS,
)
