"""`tq demo`: a real run on real files."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tq.cli.child import ending_on_term, start_worker, stop_worker
from tq.cli.context import Globals, pass_globals
from tq.cli.output import write_json
from tq.errors import TQError
from tq.options import mask_url

if TYPE_CHECKING:
    from tq.app.app import TQ
    from tq.demo.run import Run
    from tq.demo.stage import Place
    from tq.demo.totals import Outcome

PATIENCE = 5.0


@click.command(short_help="Count words in many files with a real worker.")
@click.argument("path", type=click.Path(exists=True, path_type=Path), required=False)
@click.option("--broker", metavar="URL", help="Broker, in place of the settings' one.")
@click.option("--backend", metavar="URL", help="Result backend; default: the broker, if it can be one.")
@click.option("-c", "--concurrency", type=click.IntRange(1), metavar="N", help="Tasks at once.")
@click.option("-P", "--pool", metavar="NAME", help="prefork, threads, solo, or an installed plugin's.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Count so many files only.")
@click.option("--json", "as_json", is_flag=True, help="Write the outcome as JSON.")
@pass_globals
def demo(
    state: Globals,
    /,
    path: Path | None,
    broker: str | None,
    backend: str | None,
    concurrency: int | None,
    pool: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Count words in all text files below PATH (default: Python's standard library), one task for each file.

    Starts a worker, sends the tasks, waits for their results, and shows what the files hold and how fast tq
    was. Broker and result backend are those of the settings (tq.toml, TQ_BROKER_URL) unless --broker names one;
    where neither does, all of it happens in a database of its own, which is removed at the end. The app is
    `tq.demo.word_count`.

    Exit status: 1 where no file could be counted.

    \b
      tq demo
      tq demo ~/src -c 8 --broker redis://localhost/0
    """
    from tq.demo import files

    root = (path or files.default_path()).absolute()
    found = files.find(root, limit)
    if not found.paths:
        raise click.ClickException(f"there is no text file below {root}")
    broker, backend = _stores(
        broker or state.settings.get("broker_url"), backend or state.settings.get("result_backend")
    )
    with running(broker, backend, pool, concurrency, total=len(found.paths), quiet=state.quiet) as (
        run,
        place,
    ):
        seconds = run.perform(found.paths)
    outcome = conclude(run, place, root, found.skipped, seconds)
    if as_json:
        write_json(outcome)
    else:
        from tq.demo.show import write

        write(outcome)
    raise SystemExit(0 if outcome.totals.files else 1)


@contextmanager
def running(
    broker: str | None, backend: str | None, pool: str | None, workers: int | None, *, total: int, quiet: bool
) -> Iterator[tuple[Run, Place]]:
    """A run with its worker at work; both are gone afterwards, also after Ctrl-C."""
    from tq.demo import app, stage
    from tq.demo.run import Run
    from tq.demo.show import live_bar

    with ending_on_term(), stage.folder() as home, live_bar(total, quiet=quiet) as progress:
        log = home / "worker.log"
        place = stage.choose(home, app, broker=broker, backend=backend, pool=pool, workers=workers)
        stage.connect(app, place)
        process = _start(place, log)
        run = Run(app, place.queue, progress=progress, check=lambda: stage.check(process, log))
        told = False
        try:
            stage.await_worker(app, place, process, log)
            yield run, place
        except KeyboardInterrupt:
            told = True
            raise
        finally:
            stop_worker(process, patience=PATIENCE, told=told)
            if broker or backend:
                _tidy(app, place, run)
            app.close()


def _stores(broker: str | None, backend: str | None) -> tuple[str | None, str | None]:
    """What the command line says, else the settings; the settings' results belong to the settings' broker."""
    from tq.demo import app

    if broker:
        return broker, backend
    return (
        app.conf.broker_url if app.conf.is_set("broker_url") else None,
        backend or (app.conf.result_backend if app.conf.is_set("result_backend") else None),
    )


def _start(place: Place, log: Path) -> subprocess.Popen[bytes]:
    from tq.demo import stage

    with log.open("ab") as output:
        options = stage.worker_options(place, log)
        return start_worker("tq.demo", ["-q"], options, environ=stage.environment(place), output=output)


def _tidy(app: TQ, place: Place, run: Run) -> None:
    from tq.demo import stage

    try:
        stage.tidy(app, place, run.ids)
    except TQError as exc:
        click.echo(f"messages of the queue {place.queue} or results of this run may be left: {exc}", err=True)


def conclude(run: Run, place: Place, root: Path, skipped: dict[str, int], seconds: float) -> Outcome:
    """Add up and judge."""
    from tq.demo import totals

    failures = totals.failures(run.done, root)
    figures = totals.Figures(
        tasks=len(run.done),
        failures=len(failures),
        seconds=seconds,
        tasks_per_second=len(run.done) / seconds,
        latency=totals.latency(run.done),
        workers=place.workers,
        pool=place.pool,
        broker=mask_url(place.broker),
        backend=mask_url(place.backend),
    )
    return totals.Outcome(str(root), skipped, totals.totals(run.done, root), figures, failures)
