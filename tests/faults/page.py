"""The measured part of docs/reliability.md, written between two markers of the page."""

from __future__ import annotations

import itertools
import os
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from tests.faults.row import LEASE, Row
from tests.faults.scenarios.scenario import Size
from tests.faults.stores import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PARTS = ("tq-core", "tq-redis", "tq-sql", "tq-prefork", "redis", "SQLAlchemy", "psycopg", "PyMySQL")
COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("fault", lambda row: row.scenario),
    ("broker", lambda row: row.broker),
    ("sent", lambda row: f"{row.sent:,}"),
    ("refused", lambda row: f"{row.refused:,}"),
    ("lost", lambda row: _marked(row.lost)),
    ("doubled", lambda row: _marked(row.doubled)),
    ("cut short, run again", lambda row: str(row.interrupted)),
    ("ended at the fault, run again", lambda row: str(row.repeated)),
    ("recovery, s", lambda row: _seconds(row.recovery)),
    ("longest `.delay()`, s", lambda row: _seconds(row.longest_call)),
    (
        "",
        lambda row: "; ".join((*row.notes, *(f"**{text}**" for text in (*row.complaints(), *row.delays())))),
    ),
)


def write(rows: Sequence[Row], order: Sequence[str], name: str, size: Size, command: str) -> None:
    """Put the table between the markers of the page; rows that were not played now stay as they are.

    `order`: all scenarios' titles.
    """
    before, _, rest = PAGE.read_text().partition(BEGIN)
    old, _, after = rest.partition(END)
    lines = _lines(old) | {
        (row.scenario, row.broker): _line([cell(row) for _, cell in COLUMNS]) for row in rows
    }
    places = {(title, kind): at for at, (title, kind) in enumerate(itertools.product(order, KINDS))}
    titles = [title for title, _ in COLUMNS]
    table = [_line(titles), _line(["---"] * len(titles))]
    table += [lines[key] for key in sorted(places.keys() & lines.keys(), key=places.__getitem__)]
    text = "\n".join([_made(name, size, command), "", *table])
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def _made(name: str, size: Size, command: str) -> str:
    parts = ", ".join(f"{part} {version(part)}" for part in PARTS)
    machine = f"{platform.system()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    whole = (
        ""
        if name == "long"
        else " This is a reduced size, played beside other work; `long` is the whole one."
    )
    return (
        f"Made by `{command}`; {machine}; {parts}.\n"
        f"Size `{name}`: {size.tasks:,} tasks, {size.kills} kills or cuts, outages of {size.outage:g} s; "
        f"lease {LEASE:g} s, prefork, 2 slots.{whole}"
    )


def _lines(table: str) -> dict[tuple[str, str], str]:
    found = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == len(COLUMNS):
            found[cells[0], cells[1]] = line
    return found


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _marked(count: int) -> str:
    return f"**{count}**" if count else "0"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
