"""Values that kombu's JSON carries, for both directions."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import Any, Final

EAST: Final = dt.timezone(dt.timedelta(hours=5, minutes=30))
SAME: Final[list[Any]] = [
    None,
    True,
    -(2**53),
    1.5,
    "naïve ☃ \N{PILE OF POO} \x00",
    b"utf-8 bytes",
    b"\xff\xfe\x00 no utf-8",
    dt.datetime(2026, 11, 21, 2, 32, 51, 924273, tzinfo=dt.UTC),
    dt.datetime(2026, 11, 21, 2, 32, 51, tzinfo=EAST),
    dt.datetime(2026, 11, 21, 2, 32),
    dt.date(2026, 11, 21),
    dt.time(2, 32, 51),
    decimal.Decimal("123.4500"),
    uuid.UUID("5f3b7f0c-7d2e-4b56-9d3f-0a6a0f6f9d11"),
    [1, [2, {"nested": decimal.Decimal("0.1")}]],
    {"": {"a b": [dt.date(2026, 1, 1), uuid.UUID(int=7)]}},
]
"""Come back equal and of the same type."""


def same(sent: Any, received: Any) -> bool:
    """Equal, and of equal types; tuples become lists, as in all JSON."""
    return bool(sent == received) and type(sent) is type(received)
