"""What a scenario is: a function that plays on a stage, the brokers it makes sense on, and its sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.faults.row import Row
from tests.faults.stage import Stage
from tests.faults.stores import Servers


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything. Times in seconds."""

    tasks: int
    kills: int
    outage: float
    countdowns: int
    memory_tasks: int
    slack: float = 0.0
    """See `Stage.slack`."""


SHORT = Size(tasks=150, kills=2, outage=3.0, countdowns=5, memory_tasks=4_000, slack=3.0)
MEDIUM = Size(tasks=600, kills=5, outage=10.0, countdowns=5, memory_tasks=20_000)
LONG = Size(tasks=2_000, kills=5, outage=10.0, countdowns=20, memory_tasks=200_000)


@dataclass(frozen=True, slots=True)
class Scenario:
    """`title` is the first column of the table; `brokers` are kinds of stores; `proxied`: its stage has a proxy."""

    title: str
    play: Callable[[Stage, Size, str], Row]
    brokers: tuple[str, ...]
    proxied: bool = False
    short: tuple[str, ...] = ("redis", "sqlite", "postgresql")
    """On which of these the short form is played."""

    @property
    def name(self) -> str:
        """The name of its function."""
        return self.play.__name__


def play(scenario: Scenario, kind: str, size: Size, servers: Servers, folder: Path) -> Row:
    """Play a scenario on an empty store, and end everything that it started. Raises Skip, ServiceMissing."""
    stage = Stage(kind, servers, folder, proxied=scenario.proxied)
    stage.slack = size.slack
    try:
        row = scenario.play(stage, size, scenario.title)
        return replace(row, wrong=tuple(stage.wrong), late=tuple(stage.late), notes=tuple(stage.notes))
    finally:
        stage.close()


class Skip(Exception):
    """This machine cannot play the scenario; the text says what is missing."""
