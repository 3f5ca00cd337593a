"""The contract of a listener, made by `Broker.subscribe`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tq.records import Heard

MOST_HEARD: Final = 10_000
"""Announcements that may wait for one listener in a process; it loses some of what is beyond."""


class Subscription(ABC):
    """One listener; it belongs to one thread at a time.

    A listener that does not read loses announcements. It never holds up who announces, and what waits for it is
    bounded, on the server as well.
    """

    @abstractmethod
    def receive(self, limit: int, wait: float) -> Sequence[Heard]:
        """Return up to `limit` announcements, oldest first; wait up to `wait` seconds for the first one.

        Returns early and empty after `interrupt`. Raises `BrokerUnavailable` where the connection is gone; call
        again to listen on, what was announced between is lost.
        """

    @abstractmethod
    def interrupt(self) -> None:
        """Make a waiting `receive` return soon. Called from any thread and from signal handlers; must not block or
        take locks."""

    @abstractmethod
    def close(self) -> None:
        """Listen no more, and leave nothing on the server. Idempotent; never raises because the server is gone."""
