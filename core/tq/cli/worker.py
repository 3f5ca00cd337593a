"""`tq worker`: run tasks."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from tq import signals
from tq.app.app import TQ
from tq.app.work import WorkerOptions, expand_hostname, make_worker
from tq.cli.banner import banner
from tq.cli.child import end_with
from tq.cli.context import Globals, pass_globals
from tq.cli.crew import crew_of
from tq.cli.daemon import detach, expand_path, write_pidfile
from tq.cli.find import importing
from tq.cli.logs import redirected_output, set_up_logging
from tq.cli.patching import refuse_late
from tq.cli.purge import refuse_without_purge
from tq.cli.types import Boards, Bounds, Names
from tq.contracts.broker import Cap
from tq.worker.worker import Worker

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "FATAL"]
AUTO = 0
STOPPING = 10.0
"""Seconds that a beat of -B gets to end."""
NO_MEANING = {
    "without_gossip": "tq workers do not gossip",
    "without_mingle": "tq workers do not mingle",
}


def _concurrency(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    if value == "auto":
        return AUTO
    if not value.isdigit() or int(value) < 1:
        raise click.BadParameter("a number from 1 up, or auto")
    return int(value)


@click.command(short_help="Run tasks.")
@click.option(
    "-n", "--hostname", metavar="NAME", help="Node name; %h host, %n its first part, %d its domain."
)
@click.option("-l", "--loglevel", type=click.Choice(LEVELS, case_sensitive=False), default="WARNING")
@click.option(
    "-c", "--concurrency", callback=_concurrency, metavar="N", help="Bodies at once; auto: one per CPU."
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    metavar="N",
    help="So many processes of a pool that is not made of processes.",
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
@click.option("--autoscale", type=Bounds(), help="Grow and shrink the pool between these, in place of -c.")
@click.option("--purge", "--discard", is_flag=True, help="Remove all waiting messages first.")
@click.option(
    "-O", "--optimization", type=click.Choice(["default", "fair"]), help="Accepted: workers are always fair."
)
@click.option("--prefetch-multiplier", type=int, metavar="N", help="Accepted: batches size themselves.")
@click.option("-E", "--task-events", is_flag=True, help="Send task events.")
@click.option("-B", "--beat", is_flag=True, help="Send periodic tasks as well, as tq beat does.")
@click.option(
    "-s", "--schedule", "schedule_file", metavar="PATH", help="With -B: keep the schedule in this file."
)
@click.option("--scheduler", metavar="NAME", help="With -B: where the schedule is kept.")
@click.option("--without-gossip", is_flag=True, help="Accepted for Celery's sake.")
@click.option("--without-mingle", is_flag=True, help="Accepted for Celery's sake.")
@click.option("--without-heartbeat", is_flag=True, help="Send no worker-heartbeat events.")
@click.option("-D", "--detach", is_flag=True, help="Run in the background, once it has started.")
@click.option("--pidfile", metavar="PATH", help="File for the process id; %n, %d, %h as below.")
@click.option(
    "-f", "--logfile", metavar="PATH", help="File for the log; %n node name, %d its domain, %h both."
)
@click.option("--health", metavar="ADDRESS", help="Answer HTTP probes: a port of 127.0.0.1, or host:port.")
@click.option("--log-json", is_flag=True, help="Log lines are JSON objects.")
@click.option("--parent-pid", type=int, hidden=True)
@click.option("--board", type=Boards(), hidden=True)
@pass_globals
def worker(state: Globals, /, loglevel: str, include: tuple[str, ...], **options: Any) -> None:
    """Run tasks until TERM or INT (finish what runs), a second one or QUIT (hand everything back at once).
    USR1 writes the stacks of all threads to stderr.

    \b
      tq -A shop worker -l INFO -c 4 -Q orders,mails
      tq -A shop worker -n mails@%h -Q mails --detach --pidfile mails.pid --logfile %n.log
    """
    _refuse(options, quiet=state.quiet)
    started = _to_background(options, state) if options["detach"] else None
    app = state.app()
    if not options["pool"] and not options["processes"]:
        refuse_late(app.conf.worker_pool, app.conf.origin("worker_pool"), state.patched_for)
    hostname = expand_hostname(options["hostname"])
    if options["pidfile"]:
        write_pidfile(expand_path(options["pidfile"], hostname))
    if options["concurrency"] == AUTO:
        app.conf.assign({"worker_concurrency": "auto"}, origin="command line")
    if include:
        app.conf.assign({"include": (*app.conf.include, *include)}, origin="command line")
    if options["task_events"]:
        app.conf.assign({"worker_send_task_events": True}, origin="command line")
    if options["health"]:
        app.conf.assign({"worker_health_address": options["health"]}, origin="command line")
    if options["log_json"]:
        app.conf.assign({"worker_log_json": True}, origin="command line")
    with importing("a module of include, imports or autodiscover_tasks"):
        app.import_modules()
    logfile = expand_path(options["logfile"], hostname) if options["logfile"] else None
    set_up_logging(app.conf, loglevel, logfile, state.color)
    names = WorkerOptions.__struct_fields__
    ready = make_worker(app, WorkerOptions(**{name: options[name] for name in names if name in options}))
    _prepare_broker(app, ready, purge=options["purge"])
    if options["parent_pid"]:
        end_with(options["parent_pid"], ready.stop)
    if not state.quiet and not started:
        pool = options["pool"] or app.conf.worker_pool
        if options["processes"]:
            pool = f"{pool}, in each of {options['processes']} processes"
        print(banner(app, ready, pool, options["autoscale"]), file=sys.__stdout__, flush=True)
    if started and not state.quiet:
        click.echo(f"{hostname} runs in the background as process {os.getpid()}")
    if options["processes"]:
        crew = crew_of(ready, options["processes"], on_ready=started)
        with _beating(app, options):
            crew.run()
        return
    if started:
        started()
    with redirected_output(app.conf), _beating(app, options):
        ready.run()


def _refuse(options: dict[str, Any], *, quiet: bool) -> None:
    if not options["beat"] and (options["schedule_file"] or options["scheduler"]):
        raise click.UsageError("-s and --scheduler are about the schedule: they need -B")
    if options["autoscale"] and options["concurrency"]:
        raise click.UsageError("--autoscale decides the concurrency: leave -c away")
    for name, why in NO_MEANING.items():
        if options[name] and not quiet:
            click.echo(f"--{name.replace('_', '-')} changes nothing: {why}", err=True)


@contextmanager
def _beating(app: TQ, options: dict[str, Any]) -> Iterator[None]:
    """With -B, a beat in a thread of its own, which ends when the worker does."""
    if not options["beat"]:
        yield
        return
    from tq.app.beat import make_beat

    ready = make_beat(app, scheduler=options["scheduler"], filename=options["schedule_file"])
    signals.beat_embedded_init.send(ready)
    thread = threading.Thread(target=ready.run, name="tq-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ready.stop()
        thread.join(STOPPING)


def _to_background(options: dict[str, Any], state: Globals) -> Callable[[], None]:
    if not options["logfile"] and not state.quiet:
        click.echo("--detach without --logfile: nobody will see the log", err=True)
    return detach()


def _prepare_broker(app: TQ, ready: Worker, *, purge: bool) -> None:
    if purge:
        refuse_without_purge(app)
        removed = sum(app.broker.purge(queue) for queue in ready.queues)
        click.echo(f"removed {removed} messages from {', '.join(ready.queues)}", err=True)
    if not app.conf.broker_connection_retry_on_startup and Cap.STATS in app.broker.capabilities:
        # It raises where the broker is not there; with the setting on, the worker waits for it instead.
        app.broker.stats(ready.queues[0])
