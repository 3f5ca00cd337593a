"""`tq purge`: remove what waits."""

from __future__ import annotations

from collections.abc import Sequence

import click

from tq.app.app import TQ
from tq.app.work import WorkerOptions, queues_of
from tq.cli.common import json_option, queues_option
from tq.cli.context import Globals, pass_globals
from tq.cli.output import write_json
from tq.cli.types import Names
from tq.contracts.broker import Cap
from tq.errors import ImproperlyConfigured
from tq.options import mask_url


@click.command(short_help="Remove what waits in the queues.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@queues_option(what="Only these")
@click.option("-X", "--exclude-queues", type=Names(), default=(), help="Not these.")
@json_option("how many by queue")
@pass_globals
def purge(
    state: Globals, /, force: bool, queues: tuple[str, ...], exclude_queues: tuple[str, ...], as_json: bool
) -> None:
    """Remove all messages that wait in the app's queues, delayed ones included. There is no way back.

    What workers run already is not touched. Without -Q these are the queues that a worker of this app reads.

    \b
      tq -A shop purge -Q mails
    """
    app = state.app()
    chosen = queues_of(app, WorkerOptions(queues=queues, exclude_queues=exclude_queues))
    refuse_without_purge(app)
    if not force:
        click.confirm(f"Remove all waiting messages ({waiting(app, chosen)})?", abort=True, err=True)
    removed = {queue: app.broker.purge(queue) for queue in chosen}
    if as_json:
        write_json(removed)
        return
    for queue, count in removed.items():
        click.echo(f"{queue}: removed {count}")


def refuse_without_purge(app: TQ) -> None:
    """Raise `ImproperlyConfigured` where the broker cannot purge."""
    if Cap.PURGE not in app.broker.capabilities:
        raise ImproperlyConfigured(f"the broker at {mask_url(app.broker.url)} cannot be purged")


def waiting(app: TQ, queues: Sequence[str]) -> str:
    """How much there is to remove, in words."""
    if Cap.STATS not in app.broker.capabilities:
        return ", ".join(queues)
    stats = [app.broker.stats(queue) for queue in queues]
    return ", ".join(f"{found.name}: {found.ready + (found.delayed or 0)}" for found in stats)
