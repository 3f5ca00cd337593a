"""`tq events`: what workers and clients tell, as it happens."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
import msgspec

from tq.app.app import TQ
from tq.app.modules import import_object
from tq.cli.context import Globals, pass_globals
from tq.cli.event_lines import line_of
from tq.errors import ImproperlyConfigured
from tq.events.camera import Camera
from tq.events.event import EVERYTHING, Event
from tq.events.state import State
from tq.wire.saferepr import saferepr

Show = Callable[[Event], None]


@click.command(short_help="Watch the events of workers and tasks.")
@click.option("-d", "--dump", is_flag=True, help="Write each event on a line; so it is without a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Write each event as a line of JSON.")
@click.option(
    "-c", "--camera", metavar="MODULE:CLASS", help="Take snapshots with this camera, and show nothing."
)
@click.option(
    "-F",
    "--frequency",
    type=click.FloatRange(min=0.01),
    default=1.0,
    metavar="SECONDS",
    help="Between snapshots.",
)
@click.option("-r", "--maxrate", metavar="RATE", help="Most snapshots, such as 10/m.")
@click.option(
    "--types", "pattern", default=EVERYTHING, metavar="PATTERN", help="task.#, worker.#; default: all."
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="End after so many events.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="End, with status 1, when none came for so long.",
)
@pass_globals
def events(
    state: Globals,
    /,
    dump: bool,
    as_json: bool,
    camera: str | None,
    frequency: float,
    maxrate: str | None,
    pattern: str,
    limit: int | None,
    timeout: float | None,
) -> None:
    """Watch workers and tasks: a list of the latest tasks that follows what happens, or with --dump or --json each
    event on a line, until INT. Workers send events of their tasks with -E; those of Celery are seen as well.

    \b
      tq -A shop events
      tq -A shop events --json --types 'task.#' | jq .type
      tq -A shop events --camera shop.monitoring:DumpCamera -F 5
    """
    app = state.app()
    with _showing(
        app, camera, frequency, maxrate, lines=dump or not sys.stdout.isatty(), as_json=as_json
    ) as show:
        receiver = app.events.Receiver(handlers={"*": show}, routing_key=pattern)
        try:
            receiver.capture(limit=limit, timeout=timeout)
        except KeyboardInterrupt:
            return
        except TimeoutError as exc:
            raise click.ClickException(str(exc)) from exc


@contextmanager
def _showing(
    app: TQ, camera: str | None, frequency: float, maxrate: str | None, *, lines: bool, as_json: bool
) -> Iterator[Show]:
    cluster: State = app.events.State()
    if camera is not None:
        with _camera(camera)(cluster, frequency, maxrate):
            yield cluster.event
    elif as_json:
        yield _write_json
    elif lines:
        yield lambda event: _write(line_of(cluster, event))
    else:
        from tq.cli.event_table import showing_table

        with showing_table(cluster):
            yield cluster.event


def _camera(path: str) -> type[Camera]:
    found = import_object(path)
    if not (isinstance(found, type) and issubclass(found, Camera)):
        raise ImproperlyConfigured(f"--camera {path} is no class that derives from tq.events.Camera")
    return found


def _write_json(event: Event) -> None:
    _write(msgspec.json.encode(event, enc_hook=saferepr).decode())


def _write(line: str) -> None:
    click.echo(line)
    # Whoever reads a pipe wants to see it now.
    sys.stdout.flush()
