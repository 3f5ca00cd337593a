"""`tq beat`: send periodic tasks."""

from __future__ import annotations

import os
import platform
import signal
import sys
from types import FrameType

import click

from tq import signals
from tq._version import __version__
from tq.app.app import TQ
from tq.app.beat import entries_of, make_beat
from tq.app.work import expand_hostname
from tq.beat.beat import Beat
from tq.cli.context import Globals, pass_globals
from tq.cli.daemon import detach, expand_path, write_pidfile
from tq.cli.find import importing
from tq.cli.logs import redirected_output, set_up_logging
from tq.cli.worker import LEVELS
from tq.options import mask_url


@click.command(short_help="Send periodic tasks.")
@click.option("-l", "--loglevel", type=click.Choice(LEVELS, case_sensitive=False), default="WARNING")
@click.option("-s", "--schedule", "filename", metavar="PATH", help="Keep the schedule in this file.")
@click.option("-S", "--scheduler", metavar="NAME", help="Where the schedule is kept, as beat_scheduler says.")
@click.option(
    "--max-interval", type=click.FloatRange(min=0), metavar="SECONDS", help="Look for changes so often."
)
@click.option("-n", "--hostname", metavar="NAME", help="Node name, for the paths below.")
@click.option("-D", "--detach", is_flag=True, help="Run in the background, once it has started.")
@click.option("--pidfile", metavar="PATH", help="File for the process id; %n, %d, %h as below.")
@click.option(
    "-f", "--logfile", metavar="PATH", help="File for the log; %n node name, %d its domain, %h both."
)
@pass_globals
def beat(
    state: Globals,
    /,
    loglevel: str,
    filename: str | None,
    scheduler: str | None,
    max_interval: float | None,
    hostname: str | None,
    detach: bool,
    pidfile: str | None,
    logfile: str | None,
) -> None:
    """Send the periodic tasks of beat_schedule, of add_periodic_task and of `tq schedule add`, until TERM or INT.

    Start as many as you like: one of them leads, and each due time is sent once. Where the leader dies, another one
    goes on within beat_lease seconds.

    \b
      tq -A shop beat -l INFO
    """
    if detach and not logfile and not state.quiet:
        click.echo("--detach without --logfile: nobody will see the log", err=True)
    started = _detach() if detach else None
    app = state.app()
    node = expand_hostname(hostname or "beat@%h")
    if pidfile:
        write_pidfile(expand_path(pidfile, node))
    with importing("a module of include, imports or autodiscover_tasks"):
        app.import_modules()
    set_up_logging(app.conf, loglevel, expand_path(logfile, node) if logfile else None, state.color)
    ready = make_beat(app, scheduler=scheduler, filename=filename, max_interval=max_interval)
    stop_on_signals(ready)
    if not state.quiet and not started:
        print(_banner(app, ready, node), file=sys.__stdout__, flush=True)
    if started:
        if not state.quiet:
            click.echo(f"{node} runs in the background as process {os.getpid()}")
        started()
    signals.beat_init.send(ready)
    with redirected_output(app.conf):
        ready.run()


_detach = detach


def stop_on_signals(ready: Beat) -> None:
    """TERM, INT, HUP and QUIT end it."""

    def stop(number: int, frame: FrameType | None) -> None:
        ready.stop()

    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)


def _banner(app: TQ, ready: Beat, node: str) -> str:
    names = [f"   {name}" for name in sorted(entries_of(app))]
    return "\n".join(
        [
            f" -- {node} -- tq {__version__}, Python {platform.python_version()}",
            "",
            f" app       {app.main or '__main__'}",
            f" broker    {mask_url(app.conf.broker_url)}",
            f" schedule  {mask_url(ready.url)}",
            f" lease     {app.conf.beat_lease:g} s",
            "",
            " [periodic tasks of the code]",
            *(names or ["   none"]),
            "",
        ]
    )
