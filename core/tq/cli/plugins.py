"""`tq plugins`: what is installed."""

from __future__ import annotations

import click

from tq.cli.output import write_columns, write_json
from tq.plugins import registry


@click.command(short_help="List what is installed.")
@click.option("--json", "as_json", is_flag=True, help="Write a list of objects, as JSON.")
def plugins(as_json: bool) -> None:
    """List the installed plugins, each loaded for a look: brokers, result backends, serializers, pools,
    schedulers and hooks.

    Exit status: 1 where one of them cannot be used; its error says why.

    \b
      tq plugins --json
    """
    rows = registry.installed()
    if as_json:
        write_json(rows)
    else:
        write_columns(
            ("kind", "name", "distribution", "version", "capabilities"),
            [
                (r.kind, r.name, r.distribution, r.version, "BROKEN" if r.error else r.capabilities)
                for r in rows
            ],
        )
        for row in rows:
            if row.error:
                click.secho(f"\n{row.kind} {row.name}: {row.error}", err=True, fg="red")
    raise SystemExit(any(row.error for row in rows))
