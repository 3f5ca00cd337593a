"""What the project asks of a row, and whether its figures meet it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

OWN, LIMIT, BEST = "tq", "limit", "best"
Figures = Mapping[str, Mapping[str, Sequence[float]]]
"""Row, then variant, then a figure for each round."""


@dataclass(frozen=True)
class Verdict:
    """How near a goal was come to; `met` is None where what it compares with was not measured."""

    text: str
    met: bool | None
    value: float | None = None


@dataclass(frozen=True)
class Goal:
    """One goal. `find` gets the figures of all rows, the row's name and whether more is better there."""

    text: str
    find: Callable[[Figures, str, bool], float | None]
    """What is compared with `bound`: a ratio, where more is better, or the plain figure."""
    bound: float
    at_most: bool = False

    def verdict(self, figures: Figures, row: str, larger: bool) -> Verdict:
        """Compare."""
        value = self.find(figures, row, larger)
        if value is None:
            return Verdict(self.text, None)
        return Verdict(self.text, value <= self.bound if self.at_most else value >= self.bound, value)


def times(peer: str, factor: float) -> Goal:
    """So many times better than a peer, one of its variants, or the `BEST` of all."""

    def find(figures: Figures, row: str, larger: bool) -> float | None:
        theirs = (
            best(figures.get(row, {}), larger) if peer == BEST else of(figures.get(row, {}), peer, larger)
        )
        return _ratio(mine(figures.get(row, {}), larger), theirs, larger)

    return Goal(f"{factor:g} × {'the best' if peer == BEST else peer}", find, factor)


def of_limit(share: float, or_at_least: float | None = None) -> Goal:
    """A share of what the same client or driver does without tq; or else so many a second."""

    def find(figures: Figures, row: str, larger: bool) -> float | None:
        own, limit = mine(figures.get(row, {}), larger), of(figures.get(row, {}), LIMIT, larger)
        if own is not None and or_at_least is not None and own >= or_at_least:
            return share
        return _ratio(own, limit, larger)

    text = f"{share:.2g} of the raw client"
    return Goal(text if or_at_least is None else f"{or_at_least:,.0f} or {text}", find, share)


def of_own(row: str, factor: float, *, at_most: bool = False) -> Goal:
    """In proportion to tq's figure in another row."""

    def find(figures: Figures, here: str, larger: bool) -> float | None:
        own, other = mine(figures.get(here, {}), larger), mine(figures.get(row, {}), larger)
        return own / max(other, 1e-9) if own is not None and other is not None else None

    return Goal(f"{'at most ' if at_most else ''}{factor:g} × tq's {row}", find, factor, at_most)


def at_most(bound: float, unit: str) -> Goal:
    """A plain figure that is not to be passed."""
    return Goal(f"at most {bound:g} {unit}", _plain, bound, at_most=True)


def at_least(bound: float, unit: str) -> Goal:
    """A plain figure that is to be reached."""
    return Goal(f"at least {bound:g} {unit}", _plain, bound)


def mine(figures: Mapping[str, Sequence[float]], larger: bool) -> float | None:
    """tq's own figure: that of its defaults; where these do not take part, of the pool that suits the row best."""
    default = figures.get(f"{OWN} default")
    return median(default) if default else of(figures, OWN, larger)


def of(figures: Mapping[str, Sequence[float]], peer: str, larger: bool) -> float | None:
    """The figure of a peer's best variant, or of the variant that is named."""
    found = [median(values) for name, values in figures.items() if values and _is(name, peer)]
    return (max if larger else min)(found) if found else None


def best(figures: Mapping[str, Sequence[float]], larger: bool) -> float | None:
    """The figure of the best peer."""
    return of({name: values for name, values in figures.items() if is_peer(name)}, "", larger)


def is_peer(name: str) -> bool:
    """Whether a variant is neither tq's nor the raw client's."""
    return name.partition(" ")[0] not in (OWN, LIMIT)


def _is(name: str, peer: str) -> bool:
    return not peer or name == peer or name.partition(" ")[0] == peer


def _plain(figures: Figures, row: str, larger: bool) -> float | None:
    return mine(figures.get(row, {}), larger)


def _ratio(own: float | None, theirs: float | None, larger: bool) -> float | None:
    if own is None or theirs is None:
        return None
    return own / max(theirs, 1e-9) if larger else theirs / max(own, 1e-9)
