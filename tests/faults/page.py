"""The measured part of docs/reliability.md."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.row import Row


def write(rows: Sequence[Row], size: str, command: Sequence[str]) -> None:
    """Put the table between the markers of the page."""
