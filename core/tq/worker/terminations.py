"""Revocations with `terminate`: ends the body where it runs, if the pool can."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable

from tq.contracts.broker import Broker, Cap
from tq.contracts.pool import Pool, PoolCap, Seat
from tq.records import Delivery, Revocation, Undecodable
from tq.wire.protocol import identify
from tq.wire.stamps import stamp_keys
from tq.worker.early import noted, noted_run
from tq.worker.revocations import FRESH, Revocations

logger = logging.getLogger("tq.worker")

WINDOW = 3 * FRESH
"""Seconds that a task is looked for: a child may start it before it has heard of the revocation itself."""


class Terminations:
    """`tick` looks once; called about each second, on the thread that talks to the broker."""

    def __init__(self, broker: Broker, pool: Pool, clock: Callable[[], float] = time.monotonic) -> None:
        self._broker = broker
        self._pool = pool
        self._clock = clock
        self._revocations = Revocations(broker)
        self._wanted: dict[str, tuple[Revocation, float]] = {}
        self._works = PoolCap.TERMINATE in pool.capabilities and Cap.REVOKE in broker.capabilities
        self._asks = Cap.LEASE in broker.capabilities

    def tick(self) -> None:
        """Learn what is new, and end what runs of it. Raises `BrokerError`."""
        if not self._works:
            return
        now = self._clock()
        self._wanted = {task_id: found for task_id, found in self._wanted.items() if found[1] > now}
        for revocation in self._revocations.refresh():
            if revocation.terminate:
                self._wanted[revocation.task_id] = (revocation, now + WINDOW)
        if self._wanted:
            for seat in self._pool.seats():
                self._end(seat)

    def _end(self, seat: Seat) -> None:
        consumer_id, receipt = seat.consumer_id, seat.receipt
        if not consumer_id or receipt < 0:
            return
        own = noted(seat, self._broker) or noted_run(seat, self._broker)
        held = self._broker.held(consumer_id, (receipt,)) if own is None and self._asks else ()
        for delivery in [own] if own is not None else held:
            names = _names_of(delivery)
            found = next((self._wanted[name] for name in names if name in self._wanted), None)
            if found is not None and self._pool.terminate(seat, receipt, _number(found[0])):
                logger.info("ends task %s, which was revoked", names[0])


def _names_of(delivery: Delivery) -> list[str]:
    """What a revocation of this task may be called: its id first, then its stamps."""
    message = delivery.message
    if isinstance(message, Undecodable):
        return []
    return [identify(message)[0] or "", *stamp_keys(message.headers.get("stamps"))]


def _number(revocation: Revocation) -> int:
    name = revocation.signal.upper()
    found = getattr(signal, name if name.startswith("SIG") else f"SIG{name}", None)
    if isinstance(found, signal.Signals):
        return found
    logger.warning("revocation of %s names no signal: %r; SIGTERM is sent", revocation.task_id, name)
    return signal.SIGTERM
