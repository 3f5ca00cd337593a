"""`tq report`: versions and effective settings, for questions and bug reports."""

from __future__ import annotations

from typing import Any

import click

from tq.app.bugreport import facts
from tq.cli.common import json_option
from tq.cli.context import Globals, pass_globals
from tq.cli.output import write_columns, write_facts, write_json
from tq.config.settings import DEFAULT, Row

IMPORTANT = frozenset(
    {
        "accept_content",
        "broker_lease",
        "broker_url",
        "result_backend",
        "result_expires",
        "task_default_queue",
        "task_serializer",
        "worker_concurrency",
        "worker_pool",
    }
)


@click.command(short_help="Show versions and effective settings.")
@click.option("--all", "every", is_flag=True, help="All settings, not only those that matter or were set.")
@json_option()
@pass_globals
def report(state: Globals, /, every: bool, as_json: bool) -> None:
    """Write versions, plugins, and the effective settings with their origin. Passwords and other secrets are
    masked.

    \b
      tq -A shop report --all
    """
    app = state.app()
    rows = [row for row in app.conf.explain() if every or row.origin != DEFAULT or row.name in IMPORTANT]
    software = facts(app)
    if as_json:
        write_json({**software, "settings": rows})
        return
    write_facts([(name, _line(value)) for name, value in software.items()])
    click.echo()
    write_columns(("setting", "value", "origin"), settings(rows))


def settings(rows: list[Row]) -> list[tuple[str, str, str]]:
    """Rows for people."""
    return [(row.name, row.value, row.origin) for row in rows]


def _line(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
