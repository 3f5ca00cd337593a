"""Replies of workers, for people."""

from __future__ import annotations

import json
from textwrap import indent
from typing import Any, Final

import click

NOBODY: Final = 69
"""The exit status where nobody replied, as Celery's."""


def write_reply(reply: dict[str, Any], color: bool | None = None) -> None:
    """One worker's reply, in the form of Celery's command line."""
    for node, said in reply.items():
        failed = isinstance(said, dict) and "error" in said and "ok" not in said
        state = click.style("ERROR", fg="red") if failed else click.style("OK", fg="green")
        click.echo(f"->  {node}: {state}", color=color)
        text = text_of(said)
        if text:
            click.echo(indent(text, "    "), color=color)


def text_of(said: Any) -> str:
    """A reply as lines: lists by their items, what is in `ok` or `error` as it is, all else as JSON."""
    if isinstance(said, dict) and len(said) == 1 and ({"ok", "error"} & set(said)):
        return text_of(next(iter(said.values())))
    if isinstance(said, list):
        return "\n".join(f"* {_item(item)}" for item in said) or "- empty -"
    if said is None:
        return ""
    return said if isinstance(said, str) else json.dumps(said, indent=4, sort_keys=True, default=repr)


def write_count(count: int) -> None:
    """How many workers replied."""
    click.echo(f"\n{count} {'node' if count == 1 else 'nodes'} online.")


def _item(item: Any) -> str:
    return item if isinstance(item, str) else json.dumps(item, sort_keys=True, default=repr)
