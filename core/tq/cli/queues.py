"""`tq queues`: what lies in the queues, and who reads them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from tq.app.app import TQ
from tq.app.work import WorkerOptions, queues_of
from tq.cli.common import json_option, queues_option
from tq.cli.context import Globals, pass_globals
from tq.cli.output import write_columns, write_json
from tq.contracts.broker import Cap
from tq.errors import ImproperlyConfigured
from tq.records import QueueStats

COLUMNS = ("ready", "delayed", "in_flight", "dead", "oldest_age", "consumers")


@click.command(short_help="Show what lies in the queues.")
@queues_option("names")
@json_option("a list")
@pass_globals
def queues(state: Globals, /, names: tuple[str, ...], as_json: bool) -> None:
    """Show depth, age of the oldest ready message (seconds), delayed messages, dead letters and consumers.

    Without -Q these are the queues that a worker of this app reads. `-`: this broker cannot say.

    Exit status: 1 where the broker cannot say anything, or cannot be reached.

    \b
      tq -A shop queues -Q celery,mails
    """
    app = state.app()
    found = stats_of(app, queues_of(app, WorkerOptions(queues=names)))
    if as_json:
        write_json(found)
    else:
        write_queues(found)


def stats_of(app: TQ, names: Sequence[str]) -> list[QueueStats]:
    """What lies in these queues. Raises `ImproperlyConfigured` where the broker cannot say, and `BrokerError`."""
    broker = app.broker
    if Cap.STATS not in broker.capabilities:
        raise ImproperlyConfigured(
            f"{type(broker).__name__} cannot say what lies in its queues; ask the server's own tools"
        )
    return [broker.stats(name) for name in names]


def write_queues(found: Sequence[QueueStats]) -> None:
    """Write one line a queue."""
    rows = [[stats.name, *(getattr(stats, name) for name in COLUMNS)] for stats in found]
    write_columns(("queue", *COLUMNS), rows, right=COLUMNS)
