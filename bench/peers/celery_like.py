"""What the programs of Celery and of tq share, since both are written alike: the tasks, and the calls of them.

Each brings its own app, `group` and `chord`; nothing here imports either.
"""

from __future__ import annotations

from typing import Any

import measure


class Program:
    """The tasks of one app, and what the rows ask for."""

    def __init__(self, app: Any, group: Any, chord: Any) -> None:
        self._group, self._chord = group, chord
        self.noop = app.task(name="bench.noop")(noop)
        self.wait = app.task(name="bench.wait")(wait)
        self.burn = app.task(name="bench.burn")(burn)
        self.gather = app.task(name="bench.gather")(gather)

    def mixed(self, count: int) -> None:
        """One task of two seconds among short ones."""
        self._group([self.burn.si(seconds) for seconds in measure.mix(count)]).apply_async()

    def one_by_one(self, count: int) -> float:
        """Calls a second, one after another."""
        return measure.rate(self.noop.delay, count)

    def chords(self, count: int) -> float:
        """Seconds for a chord of `count` members, from the call to the result of its body."""

        def run() -> int:
            members = [self.noop.si() for _ in range(count)]
            return int(self._chord(members)(self.gather.s()).get(timeout=300))

        return measure.seconds_of_chord(run, self._there_and_back, count)

    def round_trip(self, count: int) -> list[float]:
        """Percentiles of a call and its result."""
        return measure.percentiles(self._there_and_back, count)

    def _there_and_back(self) -> None:
        self.noop.delay().get(timeout=30)


def noop() -> None:
    """Nothing but being counted."""
    measure.tick()


def wait() -> None:
    """Ten milliseconds of somebody else's time."""
    measure.pause()


def burn(seconds: float) -> None:
    """Keep a processor busy."""
    measure.burn(seconds)


def gather(values: list[None]) -> int:
    """The body of a chord."""
    return len(values)
