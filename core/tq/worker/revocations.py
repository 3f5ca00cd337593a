"""What was revoked, as one process knows it: kept by the broker, read again about each second."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from tq.contracts.broker import Broker
from tq.errors import BrokerError
from tq.records import Revocation

logger = logging.getLogger("tq.worker")

FRESH = 1.0


class Revocations:
    """Looking an id up costs a set look-up; `refresh` asks the broker only when the last answer is old."""

    def __init__(self, broker: Broker, clock: Callable[[], float] = time.monotonic) -> None:
        self._broker = broker
        self._clock = clock
        self._version = 0
        self._due = 0.0
        self.known: dict[str, Revocation] = {}

    def refresh(self) -> list[Revocation]:
        """Learn what is new, and return it. A broker that cannot be asked now is asked again later."""
        if self._clock() < self._due:
            return []
        self._due = self._clock() + FRESH
        try:
            self._version, new = self._broker.revoked(self._version)
        except BrokerError as exc:
            logger.warning("revocations could not be read: %s", exc)
            return []
        self.known.update((revocation.task_id, revocation) for revocation in new)
        return list(new)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self.known
