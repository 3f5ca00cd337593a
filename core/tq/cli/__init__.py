"""The command `tq`: one file a command, each of them thin."""

from __future__ import annotations

from tq.cli.main import main

__all__ = ["main"]
