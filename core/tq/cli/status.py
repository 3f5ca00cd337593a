"""`tq status`: are the servers there, and what lies in the queues."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec

from tq.app.app import TQ
from tq.app.work import WorkerOptions, queues_of
from tq.cli.context import Globals, pass_globals
from tq.cli.output import write_columns, write_facts, write_json
from tq.cli.types import Names
from tq.contracts.broker import Cap
from tq.errors import TQError
from tq.options import mask_url
from tq.records import QueueStats
from tq.wire.ids import new_id

COLUMNS = ("ready", "delayed", "in_flight", "dead", "oldest_age", "consumers")


class Server(msgspec.Struct, frozen=True):
    """One server: its URL without password; `note` says what is wrong with it, or special."""

    url: str | None
    ok: bool
    note: str | None = None


class Status(msgspec.Struct, frozen=True):
    """What `tq status` found."""

    broker: Server
    backend: Server
    queues: Sequence[QueueStats]


@click.command(short_help="Ask the servers, and look into the queues.")
@click.option("-Q", "--queues", type=Names(), default=(), help="These queues, by commas.")
@click.option("--json", "as_json", is_flag=True, help="Write an object, as JSON.")
@pass_globals
def status(state: Globals, /, queues: tuple[str, ...], as_json: bool) -> None:
    """Ask the broker and the result backend whether they are there, and what lies in the queues.

    Celery's `status` pings the workers; tq asks the broker alone: CONSUMERS says how many consumers of live
    workers read a queue (a prefork worker has one for each child), IN_FLIGHT what they hold, DEAD what could
    not be done, OLDEST_AGE (seconds) for how long the oldest ready message waits. Without -Q these are the
    queues that a worker of this app reads. `-`: this broker cannot say.

    Exit status: 1 where the broker or the result backend cannot be reached.

    \b
      tq -A shop status
    """
    found = look(state.app(), queues)
    if as_json:
        write_json(found)
    else:
        _write(found)
    raise SystemExit(0 if found.broker.ok and found.backend.ok else 1)


def look(app: TQ, queues: Sequence[str]) -> Status:
    """Ask both servers; raises nothing because one is gone."""
    broker, stats = _ask_broker(app, queues_of(app, WorkerOptions(queues=queues)))
    return Status(broker, _ask_backend(app), stats)


def _ask_broker(app: TQ, queues: Sequence[str]) -> tuple[Server, list[QueueStats]]:
    url = mask_url(app.conf.broker_url)
    try:
        broker = app.broker
        if Cap.STATS in broker.capabilities:
            return Server(url, True), [broker.stats(queue) for queue in queues]
        return Server(url, True, "not asked: this broker cannot say what lies in its queues"), []
    except TQError as exc:
        return Server(url, False, str(exc)), []


def _ask_backend(app: TQ) -> Server:
    url = app.conf.result_backend
    if url is None:
        return Server(None, True, "none is configured: results are not kept")
    try:
        if app.backend is not None:
            app.backend.get([new_id()])
    except TQError as exc:
        return Server(mask_url(url), False, str(exc))
    return Server(mask_url(url), True)


def _write(found: Status) -> None:
    write_facts([("broker", _sentence(found.broker)), ("results", _sentence(found.backend))])
    if found.queues:
        click.echo()
        rows = [[stats.name, *(getattr(stats, name) for name in COLUMNS)] for stats in found.queues]
        write_columns(("queue", *COLUMNS), rows, right=COLUMNS)


def _sentence(server: Server) -> str:
    if not server.ok:
        return f"{server.url}  ERROR: {server.note}"
    return f"{server.url or 'disabled'}  {server.note or 'ok'}"
