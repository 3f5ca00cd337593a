"""What was revoked, as one process knows it: kept by the broker, read again about each second."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from tq.contracts.broker import Broker
from tq.errors import BrokerError
from tq.records import Revocation
from tq.wire.call import TaskCall
from tq.wire.stamps import stamp_keys

logger = logging.getLogger("tq.worker")

FRESH = 1.0
ALL_AGAIN = 600.0
"""Seconds after which all is read anew: so what has expired is forgotten here as well."""


class Revocations:
    """Looking an id up costs a set look-up; `refresh` asks the broker only when the last answer is old."""

    def __init__(self, broker: Broker, clock: Callable[[], float] = time.monotonic) -> None:
        self._broker = broker
        self._clock = clock
        self._version = 0
        self._due = 0.0
        self._all_due = clock() + ALL_AGAIN
        self.known: dict[str, Revocation] = {}

    def refresh(self) -> list[Revocation]:
        """Learn what is new, and return it. A broker that cannot be asked now is asked again later."""
        now = self._clock()
        if now < self._due:
            return []
        self._due = now + FRESH
        try:
            return self._read_all(now) if now >= self._all_due else self._read_new()
        except BrokerError as exc:
            logger.warning("revocations could not be read: %s", exc)
            return []

    def _read_new(self) -> list[Revocation]:
        self._version, new = self._broker.revoked(self._version)
        self.known.update((revocation.task_id, revocation) for revocation in new)
        return list(new)

    def _read_all(self, now: float) -> list[Revocation]:
        before = self.known
        self._version, found = self._broker.revoked(0)
        self._all_due = now + ALL_AGAIN
        self.known = {revocation.task_id: revocation for revocation in found}
        return [each for each in self.known.values() if before.get(each.task_id) != each]

    def __contains__(self, task_id: str) -> bool:
        return task_id in self.known

    def meets(self, call: TaskCall) -> bool:
        """Whether this task was revoked, by its id or by one of its stamps."""
        known = self.known
        if not known:
            return False
        return call.id in known or (
            bool(call.stamps) and any(key in known for key in stamp_keys(call.stamps))
        )
