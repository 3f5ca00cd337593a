"""How commands write: JSON for scripts, aligned columns for people."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import click
import msgspec


def write_json(value: Any) -> None:
    """Write records, mappings and lists to stdout; what JSON does not know becomes its `repr`."""
    raw = msgspec.json.encode(value, enc_hook=repr)
    click.echo(msgspec.json.format(raw, indent=2).decode())


def write_columns(
    titles: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Collection[str] = ()
) -> None:
    """Write rows below titles, the same to a terminal and to a pipe. None is shown as `-`; the columns whose
    titles are in `right` are numbers. Empty columns are left out."""
    cells = [[_cell(value) for value in row] for row in rows]
    kept = [index for index in range(len(titles)) if any(row[index] for row in cells)] or [0]
    widths = {
        i: max(len(titles[i]), *(len(row[i]) for row in cells)) if cells else len(titles[i]) for i in kept
    }

    def line(row: Sequence[str]) -> str:
        parts = [row[i].rjust(widths[i]) if titles[i] in right else row[i].ljust(widths[i]) for i in kept]
        return "  ".join(parts).rstrip()

    click.secho(line([title.upper() for title in titles]), bold=True)
    for row in cells:
        click.echo(line(row))


def write_facts(facts: Sequence[tuple[str, Any]]) -> None:
    """Write names and values, one pair a line."""
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        click.echo(f"{name.ljust(width)}  {_cell(value)}".rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.1f}"
    return str(value)
