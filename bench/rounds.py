"""Rounds: in each, all peers are measured in turn, so that a busy moment of the machine hits all of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from rich.console import Console

from bench.pace import Pace, clock
from bench.peer import Installed, PeerFailed, Setting, Variant
from bench.rows import ROWS, Measurement
from bench.stores import Stores

_BEHIND = (0.5, 0.8)
"""A setting that reaches less than this of its peer's best one is given up: after one round, after two or more."""
_FAILURES = 2
"""A program that fails so often is given up."""

Step = tuple[Measurement, Installed]
console = Console(stderr=True)


@dataclass
class Found:
    """What is known so far."""

    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rounds: int = 0

    def add(self, step: Step, values: Sequence[float]) -> None:
        """Add a figure for each row of the measurement."""
        measurement, peer = step
        for row, value in zip(measurement.rows, values, strict=False):
            self.figures.setdefault(row, {}).setdefault(peer.name, []).append(value)

    def lags(self, step: Step) -> bool:
        """Whether other settings of the same peer are clearly better in all rows that it would fill."""
        return all(self._lags(row, step[1]) for row in step[0].rows)

    def _lags(self, name: str, peer: Installed) -> bool:
        figures, larger = self.figures.get(name, {}), ROWS[name].larger
        own = figures.get(peer.name, [])
        if not own or peer.variant.own_python:
            return False
        others = [
            median(v) for n, v in figures.items() if v and n.partition(" ")[0] == peer.name.partition(" ")[0]
        ]
        best = (max if larger else min)(others)
        share = _BEHIND[min(len(own), len(_BEHIND)) - 1]
        return median(own) < best * share if larger else median(own) > best / share


class Rounds:
    """One run. `finished` is called after each round with what is known then."""

    def __init__(
        self,
        measurements: Sequence[Measurement],
        peers: Sequence[Installed],
        pace: Pace,
        finished: Callable[[Found], None],
    ) -> None:
        self._steps = [(m, peer) for m in measurements for peer in peers if takes_part(peer.variant, m)]
        self._pace = pace
        self._finished = finished
        self._failures: Counter[str] = Counter()
        self.found = Found()

    def run(self, most: int, least: int) -> None:
        """Up to `most` rounds; no more than `least` when the time is over."""
        stores = Stores()
        try:
            for number in range(most):
                steps = self._due(number)
                if not steps or (number >= least and not self._pace.fits(map(_key, steps))):
                    break
                self._round(number, most, steps, stores)
                self.found.rounds = number + 1
                self._pace.save()
                self._finished(self.found)
        finally:
            stores.close()

    def _due(self, number: int) -> list[Step]:
        return [
            step
            for step in self._steps
            if number < step[0].rounds
            and self._failures[_key(step)] < _FAILURES
            and not self.found.lags(step)
        ]

    def _round(self, number: int, most: int, steps: list[Step], stores: Stores) -> None:
        console.print(f"round {number + 1} of {most}: {len(steps)} measurements")
        for place, step in enumerate(steps):
            began = time.monotonic()
            values = self._once(step, stores)
            self._pace.took(_key(step), time.monotonic() - began)
            if values:
                self.found.add(step, values)
                left = self._pace.expected(map(_key, steps[place + 1 :]))
                when = f"{clock(self._pace.elapsed)}, this round {clock(left)} more"
                shown = ", ".join(
                    f"{v:,.4g} {ROWS[r].unit}" for r, v in zip(step[0].rows, values, strict=False)
                )
                console.print(f"[dim]{when}; {step[0].name}: {step[1].name}[/dim] {shown}")

    def _once(self, step: Step, stores: Stores) -> tuple[float, ...]:
        measurement, peer = step
        try:
            with stores.empty(measurement.store) as (url, folder):
                setting = Setting(url, folder, measurement.results, measurement.processes, measurement.width)
                peer.prepare(setting)
                return measurement.run(peer, setting, min(measurement.count, peer.variant.tasks or 10**9))
        except PeerFailed as exc:
            self._failures[_key(step)] += 1
            note = f"{measurement.name}: {peer.name} failed: {exc}"
            self.found.notes.append(note)
            console.print(f"[red]{note}[/red]")
            return ()


def takes_part(variant: Variant, measurement: Measurement) -> bool:
    """Whether a peer's setting can do, and wants to do, what is measured."""
    name = measurement.name
    if name in variant.skips or (variant.rows and name not in variant.rows):
        return False
    if measurement.processes > (variant.processes or measurement.processes):
        return False
    return measurement.store in variant.stores and variant.knows(measurement.command)


def _key(step: Step) -> str:
    return f"{step[0].name} {step[1].name}"
