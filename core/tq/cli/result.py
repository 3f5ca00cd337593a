"""`tq result`: what became of a task."""

from __future__ import annotations

import click

from tq.cli.common import json_option
from tq.cli.context import Globals, pass_globals
from tq.cli.outcome import exit_status, look_up, write_outcome
from tq.errors import NotRegistered


@click.command(short_help="Show what became of a task.")
@click.argument("task_id", metavar="ID")
@click.option("-t", "--task", metavar="NAME", help="The task's name: is it known to this app?")
@click.option("--traceback", is_flag=True, help="Write the traceback of a failure as well.")
@json_option("all that is known")
@pass_globals
def result(state: Globals, /, task_id: str, task: str | None, traceback: bool, as_json: bool) -> None:
    """Write the state and the result of the task with this ID.

    An id that nobody knows is PENDING: the task may wait in its queue, its result may have expired, or there
    never was such a task.

    Exit status: 0 success, 3 not ready, 4 failed or revoked, 1 where the result backend cannot be asked.

    \b
      tq -A shop result 3f0c1a52-7a40-4d0b-9d5e-6c6e7c1f0a11
    """
    app = state.app()
    if task is not None and task not in app.tasks:
        app.import_modules()
        if task not in app.tasks:
            raise NotRegistered(f"--task {task}: this app has no such task; leave it out to see the result")
    meta = look_up(app, task_id)
    write_outcome(app, meta, as_json=as_json, traceback=traceback)
    raise SystemExit(exit_status(meta))
