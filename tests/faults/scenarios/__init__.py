"""All scenarios, in the order of the table."""

from __future__ import annotations

from tests.faults.scenarios import deaths, network, servers, sharing, timers
from tests.faults.scenarios.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *deaths.SCENARIOS,
    *servers.SCENARIOS,
    *network.SCENARIOS,
    *timers.SCENARIOS,
    *sharing.SCENARIOS,
)
