"""`tq schedule`: periodic tasks, seen and changed while beats run."""

from __future__ import annotations

import datetime as dt
from typing import Any

import click
import msgspec

from tq.app.schedules import Schedules
from tq.beat.form import schedule_from
from tq.beat.words import in_words
from tq.cli.common import json_option
from tq.cli.context import Globals, pass_globals
from tq.cli.find import importing
from tq.cli.output import write_columns, write_json
from tq.cli.types import Json
from tq.contracts.schedules import Row
from tq.errors import ImproperlyConfigured


def _schedules(state: Globals) -> Schedules:
    app = state.app()
    with importing("a module of include, imports or autodiscover_tasks"):
        app.import_modules()
    return app.schedules


def _when(ctx: click.Context, param: click.Parameter, value: str) -> Any:
    if value.lstrip().startswith("{"):
        example = """'{"type": "solar", "event": "sunset", "lat": 52, "lon": 13}'"""
        return Json(dict, example).convert(value, param, ctx)
    try:
        return float(value)
    except ValueError:
        return value


@click.group()
def schedule() -> None:
    """Periodic tasks: list, add, pause, resume, run, remove, preview.

    They lie in the store of beat_scheduler, by default the broker's database. Running beats see a change within a
    second. Tasks that the app's code declares can be paused, not removed: they would come back with the next start.

    \b
      tq -A shop schedule add clean '*/5 * * * *' shop.clean
      tq -A shop schedule preview clean
    """


@schedule.command("list")
@json_option("a list")
@pass_globals
def list_(state: Globals, /, as_json: bool) -> None:
    """Show all with their next times."""
    schedules = _schedules(state)
    rows = schedules.all()
    if as_json:
        write_json([_record(row) for row in rows])
    elif not rows:
        click.echo("no periodic tasks")
    else:
        titles = ("name", "task", "schedule", "next", "last", "sent", "state")
        write_columns(titles, [_cells(schedules, row) for row in rows], right={"sent"})


@schedule.command()
@click.argument("name")
@click.argument("when", callback=_when)
@click.argument("task")
@click.option("-a", "--args", type=Json(list, "-a '[2, 3]'"), default="[]", help="Positional arguments.")
@click.option("-k", "--kwargs", type=Json(dict, """-k '{"x": 2}'"""), default="{}", help="Keyword arguments.")
@click.option(
    "-o", "--options", type=Json(dict, """-o '{"queue": "q"}'"""), default="{}", help="As apply_async's."
)
@click.option("--zone", metavar="NAME", help="Time zone of its wall clock; default: the app's.")
@click.option("--misfire", type=click.Choice(["skip", "once", "catch-up"]), help="What came much too late.")
@click.option("--catch-up", type=click.IntRange(1), metavar="N", help="Make up for the latest N at most.")
@click.option("--grace", type=click.FloatRange(min=0), metavar="SECONDS", help="So late is no misfire.")
@click.option(
    "--overlap", type=click.Choice(["allow", "skip", "queue"]), help="While the run before goes on."
)
@click.option("--replace", is_flag=True, help="In place of one that was added under this name.")
@json_option()
@pass_globals
def add(
    state: Globals, /, name: str, when: Any, task: str, replace: bool, as_json: bool, **given: Any
) -> None:
    """Add one: WHEN is seconds, the five fields of a crontab, or the JSON form of a schedule.

    \b
      tq -A shop schedule add heartbeat 30 shop.heartbeat
      tq -A shop schedule add report '30 7 * * mon-fri' shop.report --zone Europe/Berlin
    """
    more = {key: value for key, value in given.items() if value is not None}
    schedules = _schedules(state)
    row = schedules.add(name, when, task, replace=replace, **more)
    write_json(_record(row)) if as_json else click.echo(f"{name}: {_words(row)}")


@schedule.command()
@click.argument("names", nargs=-1, required=True)
@json_option()
@pass_globals
def pause(state: Globals, /, names: tuple[str, ...], as_json: bool) -> None:
    """Send these no more, also after new starts, until they are resumed."""
    schedules = _schedules(state)
    for name in names:
        schedules.pause(name)
    _tell(names, "paused", "is paused", as_json=as_json)


@schedule.command()
@click.argument("names", nargs=-1, required=True)
@json_option()
@pass_globals
def resume(state: Globals, /, names: tuple[str, ...], as_json: bool) -> None:
    """Send these again, from now on."""
    schedules = _schedules(state)
    for name in names:
        schedules.resume(name)
    _tell(names, "resumed", "goes on", as_json=as_json)


@schedule.command()
@click.argument("names", nargs=-1, required=True)
@json_option("task ids by name")
@pass_globals
def run(state: Globals, /, names: tuple[str, ...], as_json: bool) -> None:
    """Send these now, besides their schedules; writes the task ids."""
    schedules = _schedules(state)
    sent = {}
    for name in names:
        sent[name] = schedules.run(name).id
        if not as_json:
            click.echo(sent[name])
    if as_json:
        write_json(sent)


@schedule.command()
@click.argument("names", nargs=-1, required=True)
@json_option()
@pass_globals
def remove(state: Globals, /, names: tuple[str, ...], as_json: bool) -> None:
    """Remove these."""
    schedules = _schedules(state)
    for name in names:
        schedules.remove(name)
    _tell(names, "removed", "is removed", as_json=as_json)


@schedule.command()
@click.argument("name")
@click.option("-N", "--count", type=click.IntRange(1, 1000), default=5, show_default=True, help="So many.")
@click.option("--from", "start", metavar="TIME", help="After this moment (ISO 8601), not from now on.")
@json_option()
@pass_globals
def preview(state: Globals, /, name: str, count: int, start: str | None, as_json: bool) -> None:
    """Show when NAME is due next, in words and in its zone."""
    schedules = _schedules(state)
    row = schedules.get(name)
    times = schedules.preview(name, count, start=_moment(start, schedules.zone(row.entry)))
    if as_json:
        write_json({"name": name, "words": _words(row), "times": [moment.isoformat() for moment in times]})
        return
    click.echo(f"{name}: {_words(row)}" + ("" if row.entry.enabled else " (paused)"))
    for moment in times:
        click.echo(
            f"  {moment:%a} {moment.isoformat(sep=' ', timespec='seconds')} {moment.tzname() or ''}".rstrip()
        )


def _tell(names: tuple[str, ...], past: str, words: str, *, as_json: bool) -> None:
    if as_json:
        write_json({past: names})
        return
    for name in names:
        click.echo(f"{name} {words}")


def _moment(text: str | None, zone: dt.tzinfo) -> dt.datetime | None:
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as exc:
        raise click.BadParameter(f"--from {text!r} is not an ISO 8601 time") from exc
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _words(row: Row) -> str:
    try:
        words = in_words(schedule_from(row.entry.schedule))
    except ImproperlyConfigured as exc:
        return f"cannot be used: {exc}"
    return f"{words}, {row.entry.zone}" if row.entry.zone else words


def _cells(schedules: Schedules, row: Row) -> list[str]:
    entry, state = row.entry, row.state
    zone = schedules.zone(entry)
    status = "paused" if not entry.enabled else "" if row.revision else "no beat has seen it yet"
    due = None if not entry.enabled else state.next_due
    return [
        *(entry.name, entry.task, _words(row), _time(due, zone)),
        *(_time(state.last_sent, zone), str(state.sent), status),
    ]


def _time(unix: float | None, zone: dt.tzinfo) -> str:
    if unix is None:
        return "-"
    return dt.datetime.fromtimestamp(unix, zone).isoformat(sep=" ", timespec="seconds")


def _record(row: Row) -> dict[str, Any]:
    entry, state = msgspec.structs.asdict(row.entry), msgspec.structs.asdict(row.state)
    return {**entry, **state, "words": _words(row)}
