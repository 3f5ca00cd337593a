"""`tq plugins`: what is installed; its sub-commands write plugins and check them."""

from __future__ import annotations

import click

from tq.cli.output import write_columns, write_json
from tq.cli.plugin_check import check
from tq.cli.plugin_new import new
from tq.plugins import registry


@click.group(invoke_without_command=True, short_help="List what is installed; write and check plugins.")
@click.option("--json", "as_json", is_flag=True, help="Write a list of objects, as JSON.")
@click.pass_context
def plugins(ctx: click.Context, as_json: bool) -> None:
    """List the installed plugins, each loaded for a look: brokers, result backends, serializers, pools,
    schedulers and hooks. `tq plugin` is the same command.

    Exit status: 1 where one of them cannot be used; its error says why.

    \b
      tq plugins --json
      tq plugin new broker carrier
    """
    if ctx.invoked_subcommand:
        return
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


plugins.add_command(new)
plugins.add_command(check)
