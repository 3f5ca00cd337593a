"""How long a run takes: what each step took before, what is left, and whether another round fits."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

_GUESS = 4.0
"""Seconds of a step that was never taken on this machine."""


class Pace:
    """Remembers the seconds of each step in a file, between runs."""

    def __init__(self, file: Path, budget: float | None) -> None:
        self._file = file
        self._budget = budget
        self._took: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}
        self._began = time.monotonic()

    def took(self, step: str, seconds: float) -> None:
        """Note what a step has taken."""
        self._took[step] = seconds

    def save(self) -> None:
        """Keep what is known for the next run."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(self._took, indent=1, sort_keys=True) + "\n")

    def expected(self, steps: Iterable[str]) -> float:
        """Seconds that these steps will take."""
        return sum(self._took.get(step, _GUESS) for step in steps)

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def fits(self, steps: Iterable[str]) -> bool:
        """Whether these steps can be done within the budget."""
        return self._budget is None or self.elapsed + self.expected(steps) <= self._budget


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
