"""The measured part of docs/reliability.md, written between two markers of the page."""

from __future__ import annotations

import fcntl
import itertools
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from tests.faults.row import LEASE, Row
from tests.faults.scenarios.scenario import Scenario, Size
from tests.faults.stores import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PARTS = (
    *("tq-core", "tq-redis", "tq-sql", "tq-amqp", "tq-sqs", "tq-filesystem", "tq-mongodb", "tq-prefork"),
    *("redis", "SQLAlchemy", "psycopg", "PyMySQL", "boto3", "moto", "pymongo", "secantusdb"),
)
AGAIN = "Played again since then"
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


def begin(scenarios: Sequence[Scenario], name: str, size: Size, command: str) -> None:
    """Empty the table, for a run of everything."""
    _change(lambda old: [_made(name, size, command), "", *_table({}, scenarios)])


def write(row: Row, scenarios: Sequence[Scenario], again: str = "") -> None:
    """Put a row into its place in the table. `again`: the command, where it is no run of everything."""

    def put(old: str) -> list[str]:
        lines = _lines(old) | {(row.scenario, row.broker): _line([cell(row) for _, cell in COLUMNS])}
        head = [line for line in old.strip().split("\n\n", 1)[0].splitlines() if line]
        note = f"{AGAIN}: `{again}`."
        if again and note not in head:
            head.append(note)
        return [*head, "", *_table(lines, scenarios)]

    _change(put)


def _change(make: Callable[[str], list[str]]) -> None:
    with PAGE.open("r+") as page:
        # Brokers are played side by side, by processes of their own.
        fcntl.flock(page, fcntl.LOCK_EX)
        before, _, rest = page.read().partition(BEGIN)
        old, _, after = rest.partition(END)
        text = "\n".join(make(old))
        page.seek(0)
        page.truncate()
        page.write(f"{before}{BEGIN}\n{text}\n{END}{after}")


def _table(lines: Mapping[tuple[str, str], str], scenarios: Sequence[Scenario]) -> list[str]:
    titles = [title for title, _ in COLUMNS]
    table = [_line(titles), _line(["---"] * len(titles))]
    for scenario, kind in itertools.product(scenarios, KINDS):
        if (scenario.title, kind) in lines:
            table.append(lines[scenario.title, kind])
    left_out = [_line(["not played", "on", "because"]), _line(["---"] * 3)]
    for scenario in scenarios:
        for reason, found in itertools.groupby(scenario.left_out().items(), key=lambda item: item[1]):
            left_out.append(_line([scenario.title, ", ".join(kind for kind, _ in found), reason]))
    return [*table, "", *left_out]


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
