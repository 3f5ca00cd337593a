"""The latest tasks as a table in a terminal, drawn anew as events come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tq import states
from tq.cli.event_lines import moment, printable
from tq.events.nodes import Task
from tq.events.state import State

_STYLES = {
    states.SUCCESS: "green",
    states.FAILURE: "red",
    states.RETRY: "yellow",
    states.REVOKED: "magenta",
    states.STARTED: "cyan",
}
_AROUND = 8
"""Lines of the screen that are no tasks."""


@contextmanager
def showing_table(state: State, console: Console | None = None) -> Iterator[None]:
    """Inside, the table follows the state, twice a second."""
    console = console or Console()
    with Live(
        get_renderable=lambda: view(state, max(console.height - _AROUND, 1)),
        console=console,
        refresh_per_second=2,
        screen=console.is_terminal,
    ):
        yield


def view(state: State, most: int) -> Group:
    """Workers in a line, and the latest tasks below."""
    alive = state.alive_workers()
    busy = sum(worker.active or 0 for worker in alive if isinstance(worker.active, int))
    head = Text(
        f"{len(alive)} workers, {busy} bodies run, {len(state.tasks)} tasks seen, {state.event_count} events"
    )
    names = Text(
        ", ".join(printable(worker.hostname) for worker in alive),
        style="dim",
        overflow="ellipsis",
        no_wrap=True,
    )
    table = Table(expand=True, box=None, header_style="bold")
    for title in ("time", "state", "task", "id", "worker", "seconds", "result"):
        table.add_column(title, no_wrap=True, overflow="ellipsis")
    for _, task in state.tasks_by_time(limit=most):
        table.add_row(*_row(task))
    return Group(head, names, table)


def _row(task: Task) -> list[Text]:
    seconds = f"{task.runtime:.3f}" if isinstance(task.runtime, float) else ""
    cells = (
        moment(task.timestamp)[11:23],
        task.state,
        task.name or "",
        task.uuid,
        task.worker.hostname if task.worker is not None else "",
        seconds,
        task.exception or task.result or "",
    )
    return [Text(printable(str(cell)), style=_STYLES.get(task.state, "")) for cell in cells]
