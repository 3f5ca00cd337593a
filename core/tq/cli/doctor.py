"""`tq doctor`: what is wrong with the set-up, and what to do."""

from __future__ import annotations

import click

from tq.cli.checks import MAX_AGE, Checkup, Report
from tq.cli.common import json_option, queues_option, timeout_option
from tq.cli.context import Globals, pass_globals
from tq.cli.output import write_facts, write_json
from tq.records import Severity

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: None}


@click.command(short_help="Say what is wrong with the set-up, and what to do.")
@queues_option()
@timeout_option("do not ask them")
@click.option(
    "--max-age",
    type=click.FloatRange(min=0),
    default=MAX_AGE,
    show_default=True,
    metavar="SECONDS",
    help="Warn where the oldest message of a queue waits longer.",
)
@json_option()
@pass_globals
def doctor(state: Globals, /, queues: tuple[str, ...], timeout: float, max_age: float, as_json: bool) -> None:
    """Look at the settings, the broker, the result backend, the queues and the workers.

    Each finding says what is wrong, how bad that is (error: tasks do not run, or may be lost; warning: somebody
    should look; note: nothing is wrong), and what to do. Without -Q the queues are those that a worker of this
    app reads.

    Exit status: 1 where there are errors or warnings.

    \b
      tq -A shop doctor
    """
    found = Checkup(state.app, queues, timeout, max_age).report()
    if as_json:
        write_json(found)
    else:
        _write(found)
    raise SystemExit(0 if found.healthy else 1)


def _write(found: Report) -> None:
    workers = None if found.workers is None else [f"{n} ({v})" for n, v in sorted(found.workers.items())]
    facts = [
        ("broker", _server(found.broker, found.broker_round_trip)),
        ("results", _server(found.backend, found.backend_round_trip)),
        ("workers", "not asked" if workers is None else ", ".join(workers) or "none answered"),
    ]
    write_facts(facts)
    click.echo()
    for finding in found.findings:
        click.secho(f"{finding.severity.name}: {finding.what}", fg=_COLOURS[finding.severity])
        click.echo(f"  -> {finding.advice}")
    if not found.findings:
        click.echo("nothing is wrong")


def _server(url: str | None, seconds: float | None) -> str:
    if seconds is None:
        return f"{url or 'none'}  not reached" if url else "none"
    return f"{url}  answers in {seconds * 1000:.1f} ms"
