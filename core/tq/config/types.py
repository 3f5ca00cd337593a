"""The value types that several settings share: numbers with bounds."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Seconds = Annotated[float, Meta(ge=0)]
PositiveSeconds = Annotated[float, Meta(gt=0)]
Lease = Annotated[float, Meta(ge=2)]
Count = Annotated[int, Meta(ge=0)]
PositiveCount = Annotated[int, Meta(ge=1)]
Priority = Annotated[int, Meta(ge=0, le=9)]
Name = Annotated[str, Meta(min_length=1)]
Names = tuple[Name, ...]
