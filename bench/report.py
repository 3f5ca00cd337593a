"""Figures as a Markdown table and plots."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench import goals
from bench.goals import LIMIT, OWN
from bench.rows import ROWS, Row

HEAD = "| row | tq | best peer | Celery | against the best | against Celery | goals |\n|---|---|---|---|---|---|---|"


def ratios(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """How many times better tq is, for each row against each peer's best variant."""
    found: dict[str, dict[str, float]] = {}
    for name, figures in result["figures"].items():
        larger = ROWS[name].larger
        if goals.mine(figures, larger) is not None:
            peers = sorted({variant.partition(" ")[0] for variant in figures} - {OWN, LIMIT})
            found[name] = {peer: _times(figures, goals.of(figures, peer, larger), larger) for peer in peers}
    return found


def markdown(result: dict[str, Any]) -> str:
    """The whole report."""
    measured = {ROWS[name]: result["figures"][name] for name in ROWS if result["figures"].get(name)}
    lines = [HEAD, *(_line(row, figures, result["figures"]) for row, figures in measured.items())]
    lines += [
        "",
        _sum(result["figures"]),
        "",
        "Every figure: median (lowest to highest; number of rounds).",
        "",
    ]
    for row, figures in measured.items():
        spreads = ", ".join(_spread(name, values) for name, values in figures.items())
        lines.append(f"- **{row.title}** ({row.unit}): {spreads}")
    lines += ["", *(f"- {note}" for note in result["notes"])]
    return "\n".join(lines).rstrip() + "\n"


def write(result: dict[str, Any], folder: Path, results: Path) -> None:
    """Write the table, all figures, and the ratios that the guard compares with."""
    folder.mkdir(parents=True, exist_ok=True)
    results.mkdir(exist_ok=True)
    (folder / "table.md").write_text(_head(result) + markdown(result))
    (results / "figures.json").write_text(json.dumps(result, indent=1) + "\n")
    (results / "ratios.json").write_text(json.dumps(ratios(result), indent=1) + "\n")


def plot(result: dict[str, Any], folder: Path) -> None:
    """Write a plot for each row."""
    import pygal

    for name, figures in result["figures"].items():
        row = ROWS[name]
        chart = pygal.HorizontalBar(title=f"{row.title} ({row.unit})", show_legend=False, js=(), height=320)
        chart.x_labels = list(reversed(figures))
        chart.add("", [median(values) for values in reversed(figures.values())])
        chart.render_to_file(str(folder / f"{name}.svg"))


def _head(result: dict[str, Any]) -> str:
    versions = "; ".join(text for text in result["versions"].values() if text)
    return (
        f"# Figures\n\nMeasured on {result['when']} by `python -m nox -s bench -- --write`, {result['rounds']} rounds, "
        f"on one machine ({result['machine']}) with {versions}.\n\n"
    )


def _line(row: Row, figures: dict[str, list[float]], everything: dict[str, Any]) -> str:
    first = goals.best(figures, row.larger)
    who = [name for name, values in figures.items() if goals.is_peer(name) and median(values) == first]
    celery = goals.of(figures, "Celery", row.larger)
    cells = (
        f"{row.title}, {row.unit}",
        _number(goals.mine(figures, row.larger)),
        f"{_number(first)} ({who[0]})" if who else "",
        _number(celery),
        _factor(figures, first, row.larger),
        _factor(figures, celery, row.larger),
        "; ".join(_said(goal.verdict(everything, row.name, row.larger)) for goal in row.goals),
    )
    return f"| {' | '.join(cells)} |"


def _said(verdict: goals.Verdict) -> str:
    if verdict.met is None:
        return f"{verdict.text}: not measured"
    return f"{verdict.text}: {'met' if verdict.met else '**not met**'} ({verdict.value:,.3g})"


def _sum(figures: dict[str, Any]) -> str:
    verdicts = [goal.verdict(figures, row.name, row.larger) for row in ROWS.values() for goal in row.goals]
    met, missed = (sum(v.met is found for v in verdicts) for found in (True, False))
    return f"Of {len(verdicts)} goals {met} are met, {missed} are not, {len(verdicts) - met - missed} were not measured."


def _times(figures: dict[str, list[float]], theirs: float | None, larger: bool) -> float:
    own = goals.mine(figures, larger)
    if own is None or theirs is None:
        return 0.0
    return own / max(theirs, 1e-9) if larger else theirs / max(own, 1e-9)


def _factor(figures: dict[str, list[float]], theirs: float | None, larger: bool) -> str:
    return f"{_times(figures, theirs, larger):.1f}" if theirs is not None else ""


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _spread(name: str, values: Sequence[float]) -> str:
    low, high = _number(min(values)), _number(max(values))
    return f"{name} {_number(median(values))} ({low} to {high}; {len(values)})"
