"""`tq call`: send a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from tq.app.app import TQ
from tq.cli.context import Globals, pass_globals
from tq.cli.outcome import NOT_READY, backend_of, exit_status, look_up, write_outcome
from tq.cli.output import write_json
from tq.cli.types import Json, SecondsOrTime
from tq.client.result import AsyncResult
from tq.errors import ResultTimeout


@click.command(short_help="Send a task.")
@click.argument("name")
@click.option("-a", "--args", type=Json(list, "-a '[2, 3]'"), default="[]", help="Positional arguments.")
@click.option("-k", "--kwargs", type=Json(dict, """-k '{"x": 2}'"""), default="{}", help="Keyword arguments.")
@click.option("--eta", metavar="TIME", help="Not before this moment (ISO 8601).")
@click.option("--countdown", type=click.FloatRange(min=0), metavar="SECONDS", help="Not before that.")
@click.option("--expires", type=SecondsOrTime(), help="Not after that.")
@click.option("--serializer", metavar="NAME", help="json, or an installed plugin's.")
@click.option("--queue", metavar="NAME", help="Queue, in place of what the routes say.")
@click.option("--exchange", metavar="NAME", help="For brokers that route.")
@click.option("--routing-key", metavar="KEY", help="For brokers that route.")
@click.option("--priority", type=click.IntRange(0, 9), help="9 is the most urgent.")
@click.option("--task-id", metavar="ID", help="An id of your own, in place of a random one.")
@click.option(
    "--wait", type=click.FloatRange(min=0), metavar="SECONDS", help="Wait for the result and write it."
)
@click.option("--json", "as_json", is_flag=True, help="Write id, and with --wait the result, as JSON.")
@pass_globals
def call(
    state: Globals,
    /,
    name: str,
    args: list[Any],
    kwargs: dict[str, Any],
    wait: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Send the task NAME and write its id.

    The task's code need not be here. Where -A names an app that knows the task, its options count and its
    arguments are checked.

    Exit status with --wait: 0 success, 3 not ready in time, 4 failed or revoked; else 0, and 1 where the
    task could not be sent.

    \b
      tq -A shop call shop.tasks.charge -a '[42]' --countdown 10
      tq -b redis://localhost/0 call shop.tasks.charge -k '{"order_id": 42}'
    """
    app = state.app()
    if wait is not None:
        backend_of(app)
    result = send(
        app, name, args, kwargs, {key: value for key, value in options.items() if value is not None}
    )
    if wait is None:
        write_json({"task_id": result.id}) if as_json else click.echo(result.id)
        return
    if not as_json:
        click.echo(result.id)
    _write_result(app, result, wait, as_json)


def send(
    app: TQ, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
) -> AsyncResult[Any]:
    """Send it to a worker, also where the settings say that tasks run at once."""
    known = app.tasks.get(name)
    if known is None or app.conf.task_always_eager:
        return app.send_task(name, args, kwargs, **options)
    try:
        return known.apply_async(args, kwargs, **options)
    except TypeError as exc:
        raise click.UsageError(str(exc)) from exc


def _write_result(app: TQ, result: AsyncResult[Any], wait: float, as_json: bool) -> None:
    try:
        result.get(timeout=wait, propagate=False)
    except ResultTimeout as exc:
        click.echo(str(exc), err=True)
        raise SystemExit(NOT_READY) from exc
    meta = look_up(app, result.id)
    write_outcome(app, meta, as_json=as_json, traceback=False)
    raise SystemExit(exit_status(meta))
