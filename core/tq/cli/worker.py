"""`tq worker`: run tasks."""

from __future__ import annotations

import sys
from typing import Any

import click

from tq._version import __version__
from tq.app.app import TQ
from tq.app.work import WorkerOptions, make_worker
from tq.cli.context import Globals, pass_globals
from tq.cli.daemon import detach as go_to_background
from tq.cli.daemon import write_pidfile
from tq.cli.logs import redirected_output, set_up_logging
from tq.cli.types import Bounds, Names
from tq.contracts.broker import Cap
from tq.errors import ImproperlyConfigured
from tq.options import mask_url
from tq.plugins import registry
from tq.worker.worker import Worker

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "FATAL"]
NO_MEANING = {
    "without_gossip": "tq workers do not gossip",
    "without_mingle": "tq workers do not mingle",
    "without_heartbeat": "a worker's heartbeat keeps its leases and cannot be switched off",
}


def _concurrency(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    if value is None or value == "auto":
        return None
    if not value.isdigit() or int(value) < 1:
        raise click.BadParameter("a number from 1 up, or auto")
    return int(value)


@click.command()
@click.option(
    "-n", "--hostname", metavar="NAME", help="Node name; %h host, %n its first part, %d its domain."
)
@click.option("-l", "--loglevel", type=click.Choice(LEVELS, case_sensitive=False), default="WARNING")
@click.option(
    "-c", "--concurrency", callback=_concurrency, metavar="N", help="Bodies at once; auto: one per CPU."
)
@click.option("-P", "--pool", metavar="NAME", help="prefork, threads, solo, or an installed plugin's.")
@click.option("-Q", "--queues", type=Names(), default=(), help="Queues to read, by commas.")
@click.option("-X", "--exclude-queues", type=Names(), default=(), help="Declared queues not to read.")
@click.option("-I", "--include", type=Names(), default=(), help="More modules to import.")
@click.option("--time-limit", type=float, metavar="SECONDS", help="Hard time limit of each task.")
@click.option("--soft-time-limit", type=float, metavar="SECONDS", help="Soft time limit of each task.")
@click.option(
    "--max-tasks-per-child", type=click.IntRange(1), metavar="N", help="Replace a child after so many."
)
@click.option(
    "--max-memory-per-child", type=click.IntRange(1), metavar="KIB", help="Replace a child above this."
)
@click.option("--autoscale", type=Bounds(), help="Grow and shrink the pool between these.")
@click.option("--purge", "--discard", is_flag=True, help="Remove all waiting messages first.")
@click.option(
    "-O", "--optimization", type=click.Choice(["default", "fair"]), help="Accepted: workers are always fair."
)
@click.option("--prefetch-multiplier", type=int, metavar="N", help="Accepted: batches size themselves.")
@click.option("-E", "--task-events", is_flag=True, help="Send task events.")
@click.option("-B", "--beat", is_flag=True, help="Run the scheduler as well.")
@click.option("--without-gossip", is_flag=True, help="Accepted for Celery's sake.")
@click.option("--without-mingle", is_flag=True, help="Accepted for Celery's sake.")
@click.option("--without-heartbeat", is_flag=True, help="Accepted for Celery's sake.")
@click.option("-D", "--detach", is_flag=True, help="Run in the background.")
@click.option("--pidfile", metavar="PATH", help="File for the process id.")
@click.option("-f", "--logfile", metavar="PATH", help="File for the log; default: stderr.")
@pass_globals
def worker(state: Globals, /, loglevel: str, include: tuple[str, ...], **options: Any) -> None:
    """Run tasks until TERM or INT (finish what runs), a second one or QUIT (hand everything back at once)."""
    pool = options["pool"]
    if pool:
        # A pool may have to patch modules before anything else is imported.
        registry.load_pool(pool).prepare()
    app = state.app()
    _refuse(options)
    if options["detach"]:
        go_to_background()
    if options["pidfile"]:
        write_pidfile(options["pidfile"])
    if include:
        app.conf.assign({"include": (*app.conf.include, *include)}, origin="command line")
    app.import_modules()
    set_up_logging(app.conf, loglevel, options["logfile"], state.color)
    names = WorkerOptions.__struct_fields__
    ready = make_worker(app, WorkerOptions(**{name: options[name] for name in names if name in options}))
    if options["purge"]:
        _purge(app, ready)
    if not state.quiet and not options["detach"]:
        print(banner(app, ready, pool or app.conf.worker_pool), file=sys.__stdout__, flush=True)
    with redirected_output(app.conf):
        ready.run()


def _refuse(options: dict[str, Any]) -> None:
    if options["beat"]:
        raise ImproperlyConfigured("-B: this version of tq has no scheduler yet; keep running Celery's beat")
    if options["task_events"]:
        raise ImproperlyConfigured("-E: this version of tq sends no events yet; start the worker without it")
    for name, why in NO_MEANING.items():
        if options[name]:
            click.echo(f"--{name.replace('_', '-')} changes nothing: {why}", err=True)


def _purge(app: TQ, ready: Worker) -> None:
    if Cap.PURGE not in app.broker.capabilities:
        raise ImproperlyConfigured(f"--purge: the broker at {mask_url(app.broker.url)} cannot be purged")
    removed = sum(app.broker.purge(queue) for queue in ready.queues)
    click.echo(f"removed {removed} messages from {', '.join(ready.queues)}", err=True)


def banner(app: TQ, ready: Worker, pool: str) -> str:
    """What the worker is about to do, for people."""
    conf = app.conf
    backend = mask_url(conf.result_backend) if app.backend is not None and conf.result_backend else "disabled"
    lines = [
        f" -- {ready.hostname} -- tq {__version__}",
        "",
        f" app          {app.main or '__main__'}",
        f" broker       {mask_url(conf.broker_url)}{_embedded(app)}",
        f" results      {backend}",
        f" concurrency  {ready.concurrency} ({pool})",
        f" lease        {conf.broker_lease:g} s",
        "",
        " [queues]",
        *(f"   {queue}" for queue in ready.queues),
        "",
        " [tasks]",
        *(_tasks(app)),
        "",
    ]
    return "\n".join(lines)


def _tasks(app: TQ) -> list[str]:
    return [f"   {name}" for name in sorted(app.tasks)] or [
        "   none is registered: is their module in include=?"
    ]


def _embedded(app: TQ) -> str:
    return (
        ""
        if app.conf.is_set("broker_url")
        else "  (embedded, in this directory; set broker_url for a server)"
    )
