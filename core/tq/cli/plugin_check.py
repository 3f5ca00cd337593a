"""`tq plugins check`: the conformance suite on a live store."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

import click
import msgspec

from tq.cli.checks import look_up, touch
from tq.cli.context import Globals, pass_globals
from tq.cli.output import write_columns, write_json
from tq.demo.show import live_bar
from tq.errors import TQError
from tq.options import mask_url
from tq.plugins import trial
from tq.plugins.registry import without_password
from tq.plugins.trial import Begun, Ended, Event, Kind, Target, Trial
from tq.wire.json import JsonSerializer

_log = logging.getLogger("tq.plugins")
_WARNINGS: dict[Kind, str] = {
    "broker": """\
The suite will use the broker {}.
It makes queues of its own, and empties them at the end. Other things it shares with everybody there: what dead
consumers held is taken back, a dead one's task may become a dead letter at once, and revocations are written. So take
a store that nobody works with.""",
    "backend": """\
The suite will use the result backend {}.
It stores results under ids of its own, and removes them at the end; what it counts of groups stays for an hour. Results
that have expired may be removed.""",
}


class Found(msgspec.Struct, frozen=True):
    """What came of all rules; `url` has its password masked."""

    kind: Kind
    url: str
    driver: str
    rules: Sequence[Ended]
    trouble: str = ""

    def of(self, outcome: str) -> list[Ended]:
        return [rule for rule in self.rules if rule.outcome == outcome]


@click.command(short_help="Test a live broker or result backend against the rules.")
@click.argument("url", required=False)
@click.option(
    "--as", "wanted", type=click.Choice(["broker", "backend"]), help="What to check, where a URL is both."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "-k", "--rules", metavar="WORDS", default="", help="Only rules with these words, as pytest takes them."
)
@click.option(
    "--slow-factor",
    type=click.FloatRange(min=0.1),
    default=1.0,
    metavar="N",
    help="Wait N times as long, for slow stores. Default: 1.",
)
@click.option("--json", "as_json", is_flag=True, help="Write an object, as JSON.")
@pass_globals
def check(
    state: Globals,
    /,
    url: str | None,
    wanted: Kind | None,
    yes: bool,
    rules: str,
    slow_factor: float,
    as_json: bool,
) -> None:
    """Run the conformance suite against a live store, and say which rules hold, which do not, and why they are there.
    Without URL it is the store of `broker_url`, with --as backend that of `result_backend`: a password then shows in
    no list of processes.

    Takes from half a minute to some minutes. Needs pytest and hypothesis (`tq-core[testing]`).

    Exit status: 1 where a rule does not hold, or the suite did not come to its end.

    \b
      tq plugins check memory:// --as broker
      TQ_BROKER_URL=redis://:secret@test-server/9 tq plugins check --yes
    """
    trial.need_tools()
    kind, target = _chosen(state, url, wanted, slow_factor)
    driver = trial.driver_of(kind, target.url)
    shown = mask_url(target.url)
    click.echo(_WARNINGS[kind].format(shown), err=True)
    if not yes:
        click.confirm("Go on?", abort=True, err=True)
    _ask(kind, driver, target)
    run = Trial(kind, target, rules=rules)
    done = _watch(run.events(), quiet=state.quiet)
    found = Found(
        kind, shown, driver.__name__, _masked(done, target.url), without_password(run.trouble, target.url)
    )
    if as_json:
        write_json(found)
    else:
        _write(found)
    raise SystemExit(bool(found.trouble or found.of("fails")))


def _ask(kind: Kind, driver: type[Any], target: Target) -> None:
    """Raises what a store says that cannot be used at all: each of the rules would find the same."""
    try:
        if kind == "broker":
            with closing(driver(target.url, target.options)) as broker:
                touch(broker)
        else:
            made = driver(target.url, target.options, serializer=JsonSerializer(), expires=1.0)
            with closing(made) as backend:
                look_up(backend)
    except TQError:
        raise
    except Exception as exc:  # noqa: BLE001 - that it raises something else is for the suite to find
        _log.info("%s raised %s at its first call", driver.__name__, type(exc).__name__)


def _chosen(state: Globals, url: str | None, wanted: Kind | None, slow_factor: float) -> tuple[Kind, Target]:
    if url is not None:
        return trial.kind_of(url, wanted), Target(url, slow_factor=slow_factor)
    app = state.app()
    if wanted == "backend":
        address, options = app.backend_address
        if not address:
            raise click.UsageError("there is no result_backend in the settings: name a URL")
        return wanted, Target(address, options, slow_factor)
    return "broker", Target(*app.broker_address, slow_factor)


def _watch(events: Iterable[Event], *, quiet: bool) -> list[Ended]:
    """Show how far it is; what came of each rule."""
    done: list[Ended] = []
    stream = iter(events)
    begun = next(stream, None)
    if not isinstance(begun, Begun):
        return done
    with live_bar(begun.rules, quiet=quiet, doing="checking") as progress:
        for event in stream:
            if isinstance(event, Ended):
                done.append(event)
                progress(len(done), sum(rule.outcome == "fails" for rule in done))
    return done


def _masked(rules: Iterable[Ended], url: str) -> list[Ended]:
    return [msgspec.structs.replace(rule, found=without_password(rule.found, url)) for rule in rules]


def _write(found: Found) -> None:
    counts = Counter((rule.area, rule.outcome) for rule in found.rules)
    outcomes = ("holds", "fails", "not tested")
    areas = dict.fromkeys(rule.area for rule in found.rules)
    write_columns(
        ("rules of", *outcomes),
        [(area, *(counts[area, outcome] or None for outcome in outcomes)) for area in areas],
        right=outcomes,
    )
    click.echo()
    for reason, number in sorted(Counter(rule.found for rule in found.of("not tested")).items()):
        click.echo(f"not tested ({number}): {reason}")
    for rule in found.of("fails"):
        click.secho(f"\nDOES NOT HOLD: {rule.sentence}", fg="red", bold=True)
        click.echo(f"  why it is a rule: {rule.reason}")
        click.echo("  found: " + rule.found.strip().replace("\n", "\n    "))
    _conclude(found)


def _conclude(found: Found) -> None:
    broken = len(found.of("fails"))
    if found.trouble:
        click.secho(f"\nThe suite did not come to its end: {found.trouble}", err=True, fg="red")
    verdict = "the suite did not come to its end" if found.trouble else "all rules hold that could be tested"
    if broken:
        verdict = f"{broken} of its rules do not hold"
    click.echo(f"\n{found.driver} at {found.url}: {verdict}.")
