"""Options that several commands take."""

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
