"""What a scenario is: a function that plays on a stage, the brokers it makes sense on, and its sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.faults.row import Row
from tests.faults.stage import Stage
from tests.faults.stores import DURABLE, KINDS, SERVERS, Servers

NO_LINE = "there is no server that could stop, nor a line to it"
FORGETFUL = "the emulator of SQS forgets everything when it stops"


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
    because: str = ""
    """Why it is not played on the other brokers, beyond `NO_LINE` and `FORGETFUL`."""

    @property
    def name(self) -> str:
        """The name of its function."""
        return self.play.__name__

    def left_out(self) -> dict[str, str]:
        """Why it is not played on each of the brokers that it leaves out."""
        return {kind: self._reason(kind) for kind in KINDS if kind not in self.brokers}

    def _reason(self, kind: str) -> str:
        if self.because:
            return self.because
        if kind not in SERVERS:
            return NO_LINE
        if kind not in DURABLE:
            return FORGETFUL
        raise AssertionError(f"{self.name} says not why it leaves out {kind}")


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
