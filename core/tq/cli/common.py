"""What several commands share: options, and groups that help with a wrong name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from tq.cli.types import Names

F = TypeVar("F", bound=Callable[..., Any])


def json_option(what: str = "an object") -> Callable[[F], F]:
    """`--json`, as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=f"Write {what}, as JSON.")


def queues_option(name: str = "queues", what: str = "These queues") -> Callable[[F], F]:
    """`-Q`: a list of queues, empty for those of the app."""
    return click.option("-Q", "--queues", name, type=Names(), default=(), help=f"{what}, by commas.")


def timeout_option(otherwise: str) -> Callable[[F], F]:
    """`-t`: seconds to wait for workers; `otherwise` says what 0 means."""
    return click.option(
        "-t",
        "--timeout",
        type=click.FloatRange(min=0),
        default=1.0,
        metavar="SECONDS",
        help=f"Wait so long for workers; 0: {otherwise}. Default: 1.",
    )


class HelpfulGroup(click.Group):
    """A group that says more where it has no command of a name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; the error for a wrong name ends with `hint`."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as exc:
            raise click.UsageError(exc.message + self.hint(args[0], self.list_commands(ctx)), ctx) from exc

    def hint(self, name: str, known: list[str]) -> str:
        """What to say beside "No such command": the nearest name."""
        import difflib

        close = difflib.get_close_matches(name, known, n=1)
        return f" Did you mean {close[0]!r}?" if close else ""
