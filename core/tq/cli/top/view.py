"""A picture of `tq top` as tables for a terminal of any height."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tq.cli.event_lines import moment, printable
from tq.cli.top.records import Presence, RunningRow, Snapshot, TaskRow, WorkerRow
from tq.records import QueueStats

SORTS: Final = ("name", "rate", "failed", "time")
"""By what tasks and workers are ordered; "time" is the mean run time of tasks."""
_AROUND: Final = 5
"""Lines that are no table: totals, trouble, what a key did, and keys."""
_HEAD: Final = 2
"""Lines of a table that are no rows: a blank one and its titles."""
_LEAST: Final = 2
_STYLES = {Presence.ONLINE: "", Presence.SILENT: "yellow", Presence.LOST: "red"}
_Row = tuple[Sequence[Any], str]
_Titles = Sequence[str]


def view(shot: Snapshot, *, sort: str = "name", height: int | None = None, footer: str = "") -> Group:
    """All tables, each cut so that all fit into `height` lines; None: nothing is cut."""
    tables: list[tuple[_Titles, list[_Row]]] = [
        (
            ("queue", "ready", "delayed", "leased", "dead", "oldest", "consumers"),
            [_queue(q) for q in shot.queues],
        ),
        (
            ("worker", "state", "pool", "running", "slots", "processed", "tasks/s", "load", "events"),
            [_worker(w) for w in _sorted_workers(shot.workers, sort)],
        ),
        (
            ("task", "started/s", "ok/s", "failed/s", "retried/s", "mean time"),
            [_task(t) for t in _sorted_tasks(shot.tasks, sort)],
        ),
        (("running", "id", "worker", "for", "args"), [_running(r) for r in shot.running]),
    ]
    around = _AROUND + len(shot.notes)
    room = None if height is None else shares([len(rows) for _, rows in tables], height - around)
    parts: list[RenderableType] = [*_head(shot)]
    for at, (titles, rows) in enumerate(tables):
        if rows:
            parts.append(Text(""))
            parts.append(_table(titles, rows, len(rows) if room is None else room[at]))
    if footer:
        parts.append(Text(footer, style="dim", no_wrap=True, overflow="ellipsis"))
    return Group(*parts)


def shares(wanted: Sequence[int], height: int) -> list[int]:
    """How many rows each table gets of `height` lines: what it wants, or with too little room a fair part."""
    left = height - sum(_HEAD for count in wanted if count)
    given = [min(count, _LEAST) for count in wanted]
    left -= sum(given)
    while left > 0 and any(g < w for g, w in zip(given, wanted, strict=True)):
        for at, count in enumerate(wanted):
            if left > 0 and given[at] < count:
                given[at] += 1
                left -= 1
    return given


def _head(shot: Snapshot) -> list[RenderableType]:
    totals = shot.totals
    facts = [
        "1 worker" if totals.workers == 1 else f"{totals.workers} workers",
        f"{_shown(totals.running)} of {_shown(totals.slots)} slots run",
        f"{_shown(totals.rate)} tasks/s",
        f"{_shown(totals.processed)} processed",
        f"{_shown(totals.ready)} wait",
        f"oldest {_age(totals.oldest_age)}",
        f"{shot.events} events",
    ]
    head: list[RenderableType] = [
        Text(f"{moment(shot.at)[11:19]}  {shot.broker}  {', '.join(facts)}", style="bold")
    ]
    if shot.trouble is not None:
        head.append(Text(printable(f"reconnecting: {shot.trouble}"), style="red"))
    return [*head, *(Text(printable(note), style="yellow") for note in shot.notes)]


def _table(titles: _Titles, rows: Sequence[_Row], most: int) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for at, title in enumerate(titles):
        text = at == 0 or title in ("state", "pool", "id", "worker", "args", "events")
        justify: Literal["left", "right"] = "left" if text else "right"
        table.add_column(title.upper(), justify=justify, no_wrap=True, overflow="ellipsis")
    # The last line says how many there is no room for.
    cut = rows if len(rows) <= most else rows[: max(most - 1, 0)]
    for cells, style in cut:
        table.add_row(*(Text(printable(_shown(cell)), style=style) for cell in cells))
    if len(cut) < len(rows):
        table.add_row(Text(f"... {len(rows) - len(cut)} more", style="dim"))
    return table


def _queue(queue: QueueStats) -> _Row:
    cells = (queue.name, queue.ready, queue.delayed, queue.in_flight, queue.dead)
    style = "red" if queue.dead or (queue.ready and queue.consumers == 0) else ""
    return (*cells, _age(queue.oldest_age), queue.consumers), style


def _worker(row: WorkerRow) -> _Row:
    events = "yes" if row.sends_events else "-"
    cells = (row.name, row.presence.value, row.pool, row.running, row.slots, row.processed)
    return (*cells, row.rate, row.load, events), _STYLES[row.presence]


def _task(row: TaskRow) -> _Row:
    cells = (row.name, row.started, row.succeeded, row.failed, row.retried, _time(row.mean_runtime))
    return cells, "red" if row.failed else ""


def _running(row: RunningRow) -> _Row:
    return (row.name, row.id, row.worker, _age(row.seconds), row.args), ""


def _sorted_workers(rows: Sequence[WorkerRow], sort: str) -> list[WorkerRow]:
    by: Callable[[WorkerRow], Any] = (
        (lambda row: (-(row.rate or 0.0), row.name)) if sort == "rate" else lambda row: row.name
    )
    return sorted(rows, key=by)


def _sorted_tasks(rows: Sequence[TaskRow], sort: str) -> list[TaskRow]:
    field = {"rate": "started", "failed": "failed", "time": "mean_runtime"}.get(sort)
    if field is None:
        return sorted(rows, key=lambda row: row.name)
    return sorted(rows, key=lambda row: (-(getattr(row, field) or 0.0), row.name))


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _time(seconds: float | None) -> str | None:
    """A run time: short ones in milliseconds."""
    if seconds is None:
        return None
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else _age(seconds)


def _age(seconds: float | None) -> str:
    """Seconds, minutes, hours or days, in a few characters."""
    if seconds is None:
        return "-"
    if seconds < 100:
        return f"{seconds:.1f} s"
    for size, unit in ((60, "min"), (3600, "h")):
        if seconds < 100 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 86400:.1f} d"
