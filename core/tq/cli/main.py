"""The entry of the command line. A pool that patches the standard library does so here, before the rest is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tq.errors import TQError


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; tq's own errors are shown without a traceback, and end with status 1."""
    from tq.cli.patching import patch_early

    try:
        patched_for = patch_early(sys.argv[1:] if argv is None else argv)
        from tq.cli.commands import cli  # not at the top: what it imports would be imported unpatched

        cli(args=argv, prog_name="tq", obj=patched_for)
    except TQError as exc:
        import click

        click.secho(f"Error: {exc}", err=True, fg="red" if sys.stderr.isatty() else None)
        sys.exit(1)
