"""`tq dev`: a worker that starts again when a source file changes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import click

from tq.cli.child import ending_on_term, start_worker, stop_worker
from tq.cli.context import Globals, pass_globals
from tq.errors import ImproperlyConfigured

PATIENCE = 10.0
LOOK = 300
"""Milliseconds between two looks at the worker while no file changes."""


class Changes(Protocol):
    """Yields changed files, and nothing from time to time."""

    def __iter__(self) -> Iterator[set[str]]: ...


@click.command(short_help="Run a worker that follows its source files.")
@click.argument("arguments", nargs=-1, metavar="[MODULE] [-- WORKER OPTIONS]")
@click.option(
    "--watch",
    "folders",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Folder to watch, in place of this one; may be repeated.",
)
@click.pass_context
@pass_globals
def dev(state: Globals, ctx: click.Context, /, arguments: tuple[str, ...], folders: tuple[Path, ...]) -> None:
    """Run a worker of MODULE, and start it again when a Python file below this directory changes.

    For development: a running task gets 10 s to end before it is handed back. A worker that cannot start,
    because of a syntax error for example, starts again with the next change. What follows `--` are options
    of `tq worker`. Needs watchfiles.

    \b
      tq dev shop
      tq -A shop dev -- -l INFO -P solo
    """
    spec, options = split(arguments, state.spec)
    changes = watch(folders or (Path.cwd(),))
    with ending_on_term() as term:
        serve(spec, _before(ctx), options, changes, term)


def split(arguments: Sequence[str], spec: str | None) -> tuple[str, list[str]]:
    """The module and the worker's options. Raises `click.UsageError` where there is no module, or two."""
    rest = list(arguments)
    if rest and not rest[0].startswith("-"):
        if spec and spec != rest[0]:
            raise click.UsageError(f"two modules: -A {spec}, and {rest[0]}")
        spec = rest.pop(0)
    if not spec:
        raise click.UsageError("which module? tq dev MODULE, as in: tq dev shop.tasks")
    if rest and not rest[0].startswith("-"):
        raise click.UsageError(f"{rest[0]!r} is no option of the worker")
    return spec, rest


def watch(folders: Sequence[Path]) -> Changes:
    """Changed Python files below these folders. Raises `ImproperlyConfigured` without watchfiles."""
    try:
        import watchfiles
    except ImportError as exc:
        raise ImproperlyConfigured(
            f"tq dev needs watchfiles, which is not installed: {sys.executable} -m pip install watchfiles"
        ) from exc
    found = watchfiles.watch(
        *folders,
        watch_filter=watchfiles.PythonFilter(),
        yield_on_timeout=True,
        rust_timeout=LOOK,
        raise_interrupt=True,
    )
    return _Names(found)


class _Names:
    def __init__(self, found: Iterator[set[tuple[Any, str]]]) -> None:
        self._found = found

    def __iter__(self) -> Iterator[set[str]]:
        return ({path for _, path in changes} for changes in self._found)


def serve(
    spec: str, before: Sequence[str], options: Sequence[str], changes: Changes, term: threading.Event
) -> None:
    """Run workers one after the other until Ctrl-C or `term`."""
    process, ended = start_worker(spec, before, options), False
    interrupted = False
    try:
        for changed in changes:
            if changed:
                _say(f"{', '.join(sorted(map(_short, changed)))} changed: starting again")
                stop_worker(process, patience=PATIENCE)
                process, ended = start_worker(spec, before, options), False
            elif not ended and process.poll() is not None:
                ended = True
                _say(f"the worker ended with status {process.returncode}; waiting for a change")
    except KeyboardInterrupt:
        interrupted = True
    finally:
        # watchfiles turns every signal into an interrupt; only Ctrl-C has reached the worker as well.
        stop_worker(process, patience=PATIENCE, told=interrupted and not term.is_set())


def _before(ctx: click.Context) -> list[str]:
    """The global options of this command line for the worker's; the app is given otherwise."""
    given = ctx.parent.params if ctx.parent else {}
    words = {"broker": "-b", "result_backend": "--result-backend", "config": "--config"}
    before = [word for name, flag in words.items() if given.get(name) for word in (flag, given[name])]
    flags = {"no_color": "--no-color", "quiet": "--quiet"}
    return [*before, *(flag for name, flag in flags.items() if given.get(name))]


def _short(path: str) -> str:
    file = Path(path)
    return str(file.relative_to(Path.cwd())) if file.is_relative_to(Path.cwd()) else path


def _say(text: str) -> None:
    click.secho(f"tq dev: {text}", err=True, fg="cyan" if sys.stderr.isatty() else None)
