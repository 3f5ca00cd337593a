"""`tq dead`: messages that could not be done, and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from tq.app.work import WorkerOptions, queues_of
from tq.cli.common import json_option
from tq.cli.context import Globals, pass_globals
from tq.cli.output import write_columns, write_facts, write_json
from tq.cli.types import Names
from tq.client.dead import DeadLetters, DeadTask, Filter
from tq.errors import SerializationError, TQError
from tq.records import Undecodable
from tq.wire.protocol import read_task

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "": 1}


def _since(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", value)
    if match is None:
        raise click.BadParameter("a time back from now, as in 90, 30m, 2h or 7d")
    return float(match[1]) * _UNITS[match[2]]


def selecting(command: Callable[..., None]) -> Callable[..., None]:
    """The options that choose dead letters."""
    for option in (
        click.argument("ids", nargs=-1),
        click.option(
            "--since", callback=_since, metavar="TIME", help="Dead since then: 90 (seconds), 30m, 2h, 7d."
        ),
        click.option("--reason", metavar="TEXT", help="Those whose reason holds this text."),
        click.option("--task", metavar="NAME", help="Those of this task."),
        click.option("-Q", "--queue", "queues", type=Names(), default=(), help="These queues, by commas."),
    ):
        command = option(command)
    return command


def _letters(state: Globals, queues: tuple[str, ...]) -> DeadLetters:
    app = state.app()
    return DeadLetters(app.broker, queues_of(app, WorkerOptions(queues=queues)))


@click.group()
def dead() -> None:
    """Messages that could not be done: list, show, requeue, drop.

    They lie beside their queue with the reason: bytes that are no message, tasks that nobody knows, messages
    that killed their workers too often. IDs are those that `list` shows, or task ids; without IDs the options
    choose, and without -Q the queues that a worker of this app reads.

    \b
      tq -A shop dead list --since 2h
      tq -A shop dead requeue --task shop.charge
    """


@dead.command("list")
@selecting
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Show so many.")
@json_option("a list")
@pass_globals
def list_(state: Globals, /, queues: tuple[str, ...], limit: int, as_json: bool, **chosen: Any) -> None:
    """Show them, newest first."""
    found = _letters(state, queues).list(Filter(**chosen), limit=limit)
    if as_json:
        write_json([_record(item) for item in found])
    elif not found:
        click.echo("no dead letters")
    else:
        rows = [
            (i.id, i.queue, i.task or "-", _moment(i.died_at), str(i.attempt), i.reason[:80]) for i in found
        ]
        write_columns(("id", "queue", "task", "died", "attempt", "reason"), rows)


@dead.command()
@selecting
@json_option("a list")
@pass_globals
def show(state: Globals, /, queues: tuple[str, ...], as_json: bool, **chosen: Any) -> None:
    """Show all that is known of each: headers, arguments, and the reason in full."""
    found = [_whole(state, item) for item in _letters(state, queues).list(Filter(**chosen))]
    if as_json:
        write_json(found)
    for number, item in enumerate(found if not as_json else ()):
        if number:
            click.echo()
        write_facts([(name, str(value)) for name, value in item.items()])


@dead.command()
@selecting
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@json_option()
@pass_globals
def requeue(state: Globals, /, queues: tuple[str, ...], force: bool, as_json: bool, **chosen: Any) -> None:
    """Put them back into their queues, with no attempts counted."""
    count = _acted(state, queues, Filter(**chosen), force, "requeue")
    write_json({"requeued": count}) if as_json else click.echo(f"{count} dead letters put back")


@dead.command()
@selecting
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@json_option()
@pass_globals
def drop(state: Globals, /, queues: tuple[str, ...], force: bool, as_json: bool, **chosen: Any) -> None:
    """Remove them for good."""
    count = _acted(state, queues, Filter(**chosen), force, "drop")
    write_json({"dropped": count}) if as_json else click.echo(f"{count} dead letters removed")


def _acted(state: Globals, queues: tuple[str, ...], chosen: Filter, force: bool, verb: str) -> int:
    letters = _letters(state, queues)
    count = len(letters.list(chosen))
    if count and not force:
        click.confirm(f"{verb} {count} dead letters?", abort=True, err=True)
    return int(getattr(letters, verb)(chosen)) if count else 0


def _record(item: DeadTask) -> dict[str, Any]:
    return {
        "id": item.id,
        "queue": item.queue,
        "task": item.task,
        "task_id": item.task_id,
        "reason": item.reason,
        "died_at": item.died_at,
        "attempt": item.attempt,
        "size": item.size,
    }


def _whole(state: Globals, item: DeadTask) -> dict[str, Any]:
    message = item.letter.message
    if isinstance(message, Undecodable):
        return {**_record(item), "bytes": repr(message.raw[:2000])}
    app = state.app()
    shown = {**_record(item), "headers": message.headers}
    try:
        call = read_task(
            message, app.serializers.readers(app.conf.accept_content), size_limit=app.conf.message_size_limit
        )
    except (SerializationError, TQError) as exc:
        return {**shown, "body": repr(message.body[:2000]), "unreadable": str(exc)}
    return {**shown, "args": call.args, "kwargs": call.kwargs}


def _moment(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).astimezone().isoformat(sep=" ", timespec="seconds")
