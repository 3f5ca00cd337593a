"""`tq plugin new`: a plugin as a project of its own."""

from __future__ import annotations

from pathlib import Path

import click

from tq.cli.common import json_option
from tq.cli.output import write_json
from tq.plugins import scaffold


@click.command(short_help="Write a new plugin: a project with tests.")
@click.argument("kind", type=click.Choice(list(scaffold.DRAFTS)))
@click.argument("name")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Write into this new folder. Default: ./tq-NAME."
)
@json_option("the files")
def new(kind: str, name: str, folder: Path | None, as_json: bool) -> None:
    """Write a plugin that works: a project with an entry point, a driver, the conformance suite, a README and a file
    for CI. NAME is what settings will say (for brokers and backends the scheme of the URL): lower-case letters,
    digits and dashes.

    Nothing is overwritten: the folder must be new.

    \b
      tq plugin new broker carrier
      tq plugin new pool swarm --folder ~/src/swarm
    """
    project = scaffold.project(kind, name)
    place = folder or Path(project.distribution)
    files = [str(file) for file in project.write(place)]
    write_json(files) if as_json else click.echo("\n".join(files))
    click.echo(f'\nNext:\n  cd {place}\n  pip install -e ".[test]"\n  pytest\n  tq plugins', err=True)
