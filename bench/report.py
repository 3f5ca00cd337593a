"""Figures as a Markdown table and plots."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from bench.rows import ALL, Row

ROWS = {row.name: row for row in ALL}
HEAD = "| row | tq | best peer | Celery | tq against the best | tq against Celery | goal |\n|---|---|---|---|---|---|---|"


def ratios(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """How many times better tq's best variant is, for each row against each other peer's best variant."""
    found: dict[str, dict[str, float]] = {}
    for name, figures in result["figures"].items():
        best = _best(ROWS[name], figures)
        if "tq" in best:
            found[name] = {
                peer: _times(ROWS[name], best["tq"][1], value)
                for peer, (_, value) in best.items()
                if peer != "tq"
            }
    return found


def markdown(result: dict[str, Any]) -> str:
    """The whole report."""
    lines = [HEAD, *(_line(ROWS[name], figures) for name, figures in result["figures"].items() if figures)]
    lines += ["", "Every figure: median (lowest to highest) of the rounds.", ""]
    for name, figures in result["figures"].items():
        row = ROWS[name]
        lines.append(
            f"- **{row.title}** ({row.unit}): {', '.join(_spread(n, v) for n, v in figures.items())}"
        )
    lines += ["", *(f"- {note}" for note in result["notes"])]
    return "\n".join(lines).rstrip() + "\n"


def write(result: dict[str, Any], folder: Path) -> None:
    """Write README.md's table, one plot for each row, and the ratios that the guard compares with."""
    import pygal

    folder.mkdir(parents=True, exist_ok=True)
    for name, figures in result["figures"].items():
        row = ROWS[name]
        chart = pygal.HorizontalBar(title=f"{row.title} ({row.unit})", show_legend=False, js=(), height=320)
        chart.x_labels = list(reversed(figures))
        chart.add("", [statistics.median(values) for values in reversed(figures.values())])
        chart.render_to_file(str(folder / f"{name}.svg"))
    (folder / "table.md").write_text(_head(result) + markdown(result))
    results = folder.parent.parent / "bench" / "results"
    results.mkdir(exist_ok=True)
    (results / "figures.json").write_text(json.dumps(result, indent=1) + "\n")
    (results / "ratios.json").write_text(json.dumps(ratios(result), indent=1) + "\n")


def _head(result: dict[str, Any]) -> str:
    versions = "; ".join(f"{text}" for text in result["versions"].values())
    return (
        f"# Figures\n\nMeasured on {result['when']} by `python -m nox -s bench -- --write`, {result['rounds']} rounds, "
        f"on one machine ({result['machine']}) with {versions}.\n\n"
    )


def _line(row: Row, figures: dict[str, list[float]]) -> str:
    best = _best(row, figures)
    mine = best.get("tq")
    others = {peer: found for peer, found in best.items() if peer != "tq"}
    first = sorted(others.values(), key=lambda found: found[1], reverse=row.larger)[:1]
    celery = others.get("Celery")

    def shown(found: tuple[str, float] | None, *, named: bool = False) -> str:
        if found is None:
            return ""
        return f"{found[1]:,.4g}" + (f" ({found[0]})" if named else "")

    def times(found: tuple[str, float] | None) -> str:
        return f"{_times(row, mine[1], found[1]):.1f}" if mine and found else ""

    return " | ".join(
        (
            f"| {row.title}, {row.unit}",
            shown(mine),
            shown(first[0] if first else None, named=True),
            shown(celery),
            times(first[0] if first else None),
            times(celery),
            f"{', '.join(row.goals)} |",
        )
    )


def _best(row: Row, figures: dict[str, list[float]]) -> dict[str, tuple[str, float]]:
    """For each peer the variant that did best, and its median."""
    found: dict[str, tuple[str, float]] = {}
    for name, values in figures.items():
        peer, value = name.partition(" ")[0], statistics.median(values)
        if peer not in found or (value > found[peer][1]) is row.larger:
            found[peer] = (name, value)
    return found


def _times(row: Row, mine: float, theirs: float) -> float:
    return mine / max(theirs, 1e-9) if row.larger else theirs / max(mine, 1e-9)


def _spread(name: str, values: list[float]) -> str:
    return f"{name} {statistics.median(values):,.4g} ({min(values):,.4g} to {max(values):,.4g})"
