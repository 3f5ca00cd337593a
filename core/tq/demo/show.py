"""The demo on a screen."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.columns import Columns
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from tq.demo.run import Progress
from tq.demo.totals import SHOWN, Figures, Outcome, Totals


@contextmanager
def live_bar(total: int, *, quiet: bool, doing: str = "counting") -> Iterator[Progress]:
    """A progress bar on stderr that says what is being done; lines where that is no terminal, nothing where it shall
    be `quiet`."""
    if quiet:
        yield lambda done, failed: None
        return
    if not sys.stderr.isatty():
        yield _lines(total)
        return
    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*parts, console=Console(stderr=True), transient=True) as bar:
        job = bar.add_task(doing, total=total)
        yield lambda done, failed: bar.update(job, completed=done, description=_words(doing, failed))


def _words(doing: str, failed: int) -> str:
    return f"{doing}, {failed} failed" if failed else doing


def _lines(total: int) -> Progress:
    said = 0

    def tell(done: int, failed: int) -> None:
        nonlocal said
        tenth = done * 10 // max(1, total)
        if tenth > said:
            said = tenth
            print(f"{done} of {total} done, {failed} failed", file=sys.stderr, flush=True)

    return tell


def write(outcome: Outcome) -> None:
    """Write the outcome to stdout as tables."""
    console = Console(highlight=False)
    console.print(Columns([_totals(outcome), _figures(outcome.figures)], padding=(0, 3)))
    console.print(Columns([_words_table(outcome.totals), _largest(outcome.totals)], padding=(0, 3)))
    if outcome.failures:
        table = _table("Failures", "file", "error")
        for failure in outcome.failures[:SHOWN]:
            table.add_row(failure.path, failure.error)
        if len(outcome.failures) > SHOWN:
            table.add_row(f"and {len(outcome.failures) - SHOWN} more", "")
        console.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number and column != "error" else "left", overflow="fold")
    return table


def _totals(outcome: Outcome) -> Table:
    totals = outcome.totals
    table = _table(f"Counted in {outcome.path}", "what", "how much")
    table.add_row("files", f"{totals.files:,}")
    table.add_row("lines", f"{totals.lines:,}")
    table.add_row("words", f"{totals.words:,}")
    table.add_row("bytes", f"{totals.bytes:,}")
    if totals.longest_line:
        table.add_row(
            "longest line", f"{totals.longest_line.value:,} characters in {totals.longest_line.path}"
        )
    for reason, number in sorted(outcome.skipped.items()):
        table.add_row(f"skipped, {reason}", f"{number:,}")
    return table


def _figures(figures: Figures) -> Table:
    table = _table("tq", "what", "how much")
    table.add_row("tasks", f"{figures.tasks:,}")
    table.add_row("failures", f"{figures.failures:,}")
    table.add_row("time", f"{figures.seconds:.2f} s")
    table.add_row("tasks per second", f"{figures.tasks_per_second:,.0f}")
    if figures.latency:
        for name in ("p50", "p95", "p99"):
            table.add_row(f"send to done, {name}", f"{getattr(figures.latency, name) * 1000:,.0f} ms")
    table.add_row("workers", f"{figures.workers} ({figures.pool})")
    table.add_row("broker", figures.broker)
    table.add_row("results", figures.backend)
    return table


def _words_table(totals: Totals) -> Table:
    table = _table("Most common words", "word", "count")
    for word, number in totals.top_words:
        table.add_row(word, f"{number:,}")
    return table


def _largest(totals: Totals) -> Table:
    table = _table("Largest files", "file", "bytes")
    for file in totals.largest:
        table.add_row(file.path, f"{file.value:,}")
    return table
