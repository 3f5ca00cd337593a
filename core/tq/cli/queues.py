"""`tq queues`: what lies in the queues, and who reads them."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import click
import msgspec

from tq.app.app import TQ
from tq.app.work import WorkerOptions, queues_of
from tq.cli.common import json_option, queues_option
from tq.cli.context import Globals, pass_globals
from tq.cli.output import write_columns, write_json
from tq.contracts.broker import Cap
from tq.errors import BrokerUnavailable, ImproperlyConfigured
from tq.records import QueueStats

COLUMNS = ("ready", "delayed", "in_flight", "dead", "oldest_age", "consumers")


@click.command(short_help="Show what lies in the queues.")
@queues_option("names")
@json_option("a list")
@click.option(
    "-w",
    "--watch",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Show them again so often, until INT; with --json each time as a line.",
)
@pass_globals
def queues(state: Globals, /, names: tuple[str, ...], as_json: bool, watch: float | None) -> None:
    """Show depth, age of the oldest ready message (seconds), delayed messages, dead letters and consumers.

    Without -Q these are the queues that a worker of this app reads. `-`: this broker cannot say. With --watch a broker
    that goes away is waited for.

    Exit status: 1 where the broker cannot say anything, or cannot be reached.

    \b
      tq -A shop queues -Q celery,mails
    """
    app = state.app()
    chosen = queues_of(app, WorkerOptions(queues=names))
    if watch is None:
        found = stats_of(app, chosen)
        write_json(found) if as_json else write_queues(found)
        return
    with suppress(KeyboardInterrupt):
        while True:
            _show_once(app, chosen, as_json=as_json)
            time.sleep(watch)


def _show_once(app: TQ, names: Sequence[str], *, as_json: bool) -> None:
    """One picture of many."""
    try:
        found = stats_of(app, names)
    except BrokerUnavailable as exc:
        click.echo(f"reconnecting: {exc}", err=True)
        return
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        # Does nothing where stdout is no terminal.
        click.clear()
        write_queues(found)
    sys.stdout.flush()


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
