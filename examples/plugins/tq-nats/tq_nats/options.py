"""What a URL and its options say."""

from __future__ import annotations

import msgspec


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`broker_transport_options`, or the query of the URL. Times are seconds."""

    stream: str = "tq"
    """The stream that holds all queues; its subjects begin with this word too."""
    replicas: int = 1
    """How many servers of a cluster keep each message; counts when the stream is made."""
    connect_timeout: float = 4.0
    timeout: float = 5.0
    """Wait for an answer; a publish has its own deadline."""
    credentials: str | None = None
    """File with a user's JWT and key."""
    token: str | None = None
