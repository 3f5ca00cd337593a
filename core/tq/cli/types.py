"""Types of options that several commands take."""

from __future__ import annotations

import json
from typing import Any

import click

from tq.worker.board import Board


class Names(click.ParamType[tuple[str, ...]]):
    """A comma-separated list."""

    name = "LIST"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Split it."""
        if not isinstance(value, str):
            return tuple(value)
        return tuple(part.strip() for part in value.split(",") if part.strip())


class Boards(click.ParamType[Board]):
    """`DESCRIPTOR:SEATS` of a board that the supervisor made."""

    name = "BOARD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Board:
        """Open it."""
        if isinstance(value, Board):
            return value
        descriptor, _, seats = str(value).partition(":")
        return Board(int(seats), int(descriptor))


class Bounds(click.ParamType[tuple[int, int]]):
    """`MAX,MIN`, both from 1 up. One number is the largest size; the smallest is 1 then."""

    name = "MAX,MIN"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Read it."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        largest, _, smallest = value.partition(",")
        try:
            # Celery lets a pool shrink to nothing; here one process stays.
            bounds = int(largest), max(1, int(smallest or 1))
        except ValueError:
            self.fail(f"{value!r} is not MAX,MIN, as in 10,2", param, ctx)
        if bounds[0] < bounds[1]:
            self.fail(f"the largest size comes first, as in {bounds[1]},{bounds[0]}", param, ctx)
        return bounds


class Json(click.ParamType[Any]):
    """JSON text of one type."""

    name = "JSON"

    def __init__(self, kind: type, example: str) -> None:
        self._kind = kind
        self._example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse it."""
        if not isinstance(value, str):
            return value
        try:
            found = json.loads(value)
        except ValueError as exc:
            self.fail(f"{value!r} is not JSON ({exc}); write it like {self._example}", param, ctx)
        if not isinstance(found, self._kind):
            self.fail(f"{value!r} is not of the right form; write it like {self._example}", param, ctx)
        return found


class SecondsOrTime(click.ParamType["float | str"]):
    """Seconds from now, or a moment in ISO 8601, which is checked where it is used."""

    name = "SECONDS|TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """Read a number as seconds."""
        try:
            return float(value)
        except ValueError:
            return str(value)
