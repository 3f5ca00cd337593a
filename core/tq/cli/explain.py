"""`tq explain`: where is this task, and why is it not running."""

from __future__ import annotations

import click

from tq.app.work import WorkerOptions, queues_of
from tq.cli.common import json_option, queues_option, timeout_option
from tq.cli.context import Globals, pass_globals
from tq.cli.output import write_json
from tq.cli.whereabouts import Search


@click.command(short_help="Say where a task is, and why it does not run.")
@click.argument("task_id", metavar="ID")
@queues_option(what="Look into these queues")
@timeout_option("do not ask them")
@json_option()
@pass_globals
def explain(state: Globals, /, task_id: str, queues: tuple[str, ...], timeout: float, as_json: bool) -> None:
    """Ask the result store, the broker and the workers about the task with this ID, and say what they know.

    Without -Q the queues are those that a worker of this app reads. What waits in a queue cannot be searched by
    id: for a task that nobody knows, the queues are shown.

    Exit status: 3 where nobody knows the task.

    \b
      tq -A shop explain 3f0c1a52-7a40-4d0b-9d5e-6c6e7c1f0a11
    """
    app = state.app()
    found = Search(app, task_id, queues_of(app, WorkerOptions(queues=queues)), timeout).explain()
    if as_json:
        write_json(found)
    else:
        for sentence in found.sentences:
            click.echo(sentence)
    raise SystemExit(0 if found.found else 3)
