"""`tq top`."""

from __future__ import annotations

import sys
from typing import Final

import click
import msgspec

from tq.cli.common import json_option, queues_option, timeout_option
from tq.cli.context import Globals, pass_globals
from tq.cli.top.feed import Feed, quiet_log
from tq.cli.top.fleet import Fleet
from tq.cli.top.poll import Asker
from tq.cli.top.records import Snapshot

SOON: Final = 0.2
"""Seconds between the two rounds of questions of a single picture: the first one takes its `--timeout` by itself, since
nobody knows how many will answer, and that is what the rates are measured over."""


@click.command(short_help="Watch workers, tasks, rates and queues.")
@queues_option()
@timeout_option("do not ask them")
@click.option(
    "-i",
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two pictures.",
)
@click.option("--once", is_flag=True, help="One picture as plain text; so it is without a terminal.")
@click.option(
    "--count", type=click.IntRange(1), metavar="N", help="End after so many pictures; with --json default 1."
)
@json_option("each picture as an object on a line")
@pass_globals
def top(
    state: Globals,
    /,
    queues: tuple[str, ...],
    timeout: float,
    interval: float,
    once: bool,
    count: int | None,
    as_json: bool,
) -> None:
    """Watch workers, running tasks, rates by task and queues.

    Workers are asked every --interval seconds, and their events are heard where they send them: counts of outcomes and run
    times come from events only. Rates are those between the last two rounds of questions; a single
    picture is there as soon as two were answered. Without -Q the queues are those
    that a worker of this app reads, and those that the workers say they read.

    Keys: q quit, s sort, p pause, e have workers send events of tasks, d have them send none.

    Exit status, without a screen: 1 where the broker could not be asked.

    \b
      tq -A shop top
      tq -b redis://cache/0 top --json | jq .totals
    """
    app = state.app()
    plain = as_json or once or not sys.stdout.isatty()
    pictures = 1 if once else count or 1
    if plain and pictures == 1:
        interval = min(interval, SOON)
    asker = Asker(app, queues, timeout)
    fleet = Fleet(asker.broker, asker.limits(), asks=timeout > 0)
    with quiet_log(), Feed(app, fleet, asker, interval) as feed:
        if plain:
            healthy = _write(fleet, feed, pictures, as_json=as_json)
            raise SystemExit(0 if healthy else 1)
        left_on = _watch(fleet, asker, feed, interval, count)
    if left_on and not state.quiet:
        click.echo("workers go on sending events of tasks: `tq control disable_events` ends that", err=True)


def _write(fleet: Fleet, feed: Feed, count: int, *, as_json: bool) -> bool:
    """Write pictures, each after another round of questions; the first round gives no rates."""
    shot = None
    for number in range(count):
        feed.wait(number + 2)
        shot = fleet.snapshot()
        _write_json(shot) if as_json else _write_text(shot)
    return shot is None or shot.trouble is None


def _write_json(shot: Snapshot) -> None:
    click.echo(msgspec.json.encode(shot).decode())
    # Whoever reads a pipe wants to see it now.
    sys.stdout.flush()


def _write_text(shot: Snapshot) -> None:
    from rich.console import Console

    from tq.cli.top.view import view

    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(view(shot))


def _watch(fleet: Fleet, asker: Asker, feed: Feed, interval: float, count: int | None) -> bool:
    """Show the screen; whether events were switched on and left on."""
    from rich.console import Console

    from tq.cli.top.keys import pressed_keys
    from tq.cli.top.screen import Screen

    screen = Screen(fleet, asker, Console(highlight=False), interval)
    with pressed_keys() as keys:
        try:
            screen.run(feed, keys, count)
        except KeyboardInterrupt:
            return screen.left_on
    return screen.left_on
