"""`tq status`: are the servers there, and what lies in the queues."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec

from tq.app.app import TQ
from tq.app.work import WorkerOptions, queues_of
from tq.cli.common import json_option, queues_option, timeout_option
from tq.cli.context import Globals, pass_globals
from tq.cli.output import write_facts, write_json
from tq.cli.queues import write_queues
from tq.cli.types import Names
from tq.contracts.broker import Cap
from tq.errors import TQError
from tq.options import mask_url
from tq.records import QueueStats
from tq.wire.ids import new_id


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
    workers: Sequence[str] | None = None
    """Those that answered a ping; None where they were not asked."""


@click.command(short_help="Ask the servers, and look into the queues.")
@queues_option()
@click.option("-d", "--destination", type=Names(), default=(), help="Ping these workers, by commas.")
@timeout_option("do not ping them")
@json_option()
@pass_globals
def status(
    state: Globals,
    /,
    queues: tuple[str, ...],
    destination: tuple[str, ...],
    timeout: float,
    as_json: bool,
) -> None:
    """Ask the broker and the result backend whether they are there, and what lies in the queues.

    The workers are pinged, as Celery's `status` does, where the broker can broadcast. CONSUMERS says how many
    consumers of live workers read a queue (a prefork worker has one for each child), IN_FLIGHT what they hold, DEAD what could
    not be done, OLDEST_AGE (seconds) for how long the oldest ready message waits. Without -Q these are the
    queues that a worker of this app reads. `-`: this broker cannot say.

    Exit status: 1 where the broker or the result backend cannot be reached, or a worker of -d does not answer.

    \b
      tq -A shop status
    """
    found = look(state.app(), queues, destination, timeout)
    if as_json:
        write_json(found)
    else:
        _write(found)
    missing = set(destination) - set(found.workers or ())
    raise SystemExit(0 if found.broker.ok and found.backend.ok and not missing else 1)


def look(app: TQ, queues: Sequence[str], nodes: Sequence[str] = (), timeout: float = 0.0) -> Status:
    """Ask both servers, and for `timeout` seconds the workers; raises nothing because one is gone."""
    broker, stats = _ask_broker(app, queues_of(app, WorkerOptions(queues=queues)))
    workers = _ping(app, nodes, timeout) if broker.ok and timeout else None
    return Status(broker, _ask_backend(app), stats, workers)


def _ping(app: TQ, nodes: Sequence[str], timeout: float) -> list[str] | None:
    if Cap.BROADCAST not in app.broker.capabilities:
        return None
    try:
        replies = app.control.ping(list(nodes) or None, timeout)
    except TQError as exc:
        click.echo(f"the workers could not be asked: {exc}", err=True)
        return None
    return sorted(node for reply in replies for node in reply)


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
    facts = [("broker", _sentence(found.broker)), ("results", _sentence(found.backend))]
    if found.workers is not None:
        facts.append(("workers", ", ".join(found.workers) or "none answered"))
    write_facts(facts)
    if found.queues:
        click.echo()
        write_queues(found.queues)


def _sentence(server: Server) -> str:
    if not server.ok:
        return f"{server.url}  ERROR: {server.note}"
    return f"{server.url or 'disabled'}  {server.note or 'ok'}"
