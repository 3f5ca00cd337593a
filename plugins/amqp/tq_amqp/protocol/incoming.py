"""Messages as they come from the server."""

from __future__ import annotations

import msgspec


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """A message of a queue; `properties` are not read yet."""

    consumer: str
    tag: int
    again: bool
    """It was handed out before."""
    exchange: str
    key: str
    properties: bytes
    body: bytes


class Returned(msgspec.Struct, frozen=True, gc=False):
    """A message that no queue took."""

    code: int
    text: str
    exchange: str
    key: str
    properties: bytes
    body: bytes
