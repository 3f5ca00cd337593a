"""One listener: looks when the bell rings, or now and then, on a connection of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from sqlalchemy.engine import Connection

from tq.contracts import Subscription
from tq.errors import TQError
from tq.records import Channel, Heard
from tq.wire.envelope import unpack
from tq.wire.topics import matcher
from tq_sql.announcing import MOST, SETTLED, Announcements
from tq_sql.bell import Interrupt, Waiter
from tq_sql.database import FAILURES, Session
from tq_sql.faults import Faults

_AT_ONCE = 500
"""Messages of one look; the others come with the next."""


class SqlSubscription(Subscription):
    """Made by `SqlBroker.subscribe`."""

    def __init__(
        self, announcements: Announcements, session: Session, faults: Faults, channel: Channel, pattern: str
    ) -> None:
        self._announcements = announcements
        self._session = session
        self._faults = faults
        self._channel = channel
        self._pattern = pattern
        self._hears: Callable[[str], bool] | None = matcher(pattern) if channel.kind == "topic" else None
        self._interrupt = Interrupt()
        self._waiter: Waiter | None = None
        self._waits_on: Connection | None = None
        self._heard: deque[Heard] = deque()
        self._seen: set[int] = set()
        """Numbers above `_after` that were heard."""
        self._after = session.transact(announcements.newest, read=True)
        """No number up to this one is still to come."""
        self._closed = False

    def receive(self, limit: int, wait: float) -> Sequence[Heard]:
        deadline = time.monotonic() + wait
        while not self._heard:
            waiter = self._armed()
            self._look()
            left = deadline - time.monotonic()
            if self._heard or self._interrupt.take() or left <= 0:
                break
            if self._session.connection is self._waits_on:
                self._listen(waiter, left)
        return [self._heard.popleft() for _ in range(min(limit, len(self._heard)))]

    def interrupt(self) -> None:
        self._interrupt.set()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._drop_waiter()
        self._session.close()
        self._interrupt.close()

    def _look(self) -> None:
        rows = self._session.transact(self._new, read=True)
        for number, routing_key, payload in rows:
            self._seen.add(number)
            if self._hears is None or self._hears(routing_key):
                self._heard.append(Heard(unpack(payload), routing_key))
        if rows and self._waiter is not None:
            self._waiter.busy()

    def _new(self, conn: Connection) -> list[tuple[int, str, bytes]]:
        """What was not heard yet. Another number may become visible before a smaller one, for a moment."""
        numbers = self._announcements.numbers(conn, self._channel, self._pattern, self._after)
        new = [number for number, _ in numbers if number not in self._seen][:_AT_ONCE]
        first_new = new[0] if new else None
        # So many at a time that the window is full of what was heard: its older half has to count as settled.
        early = MOST // 2 if len(numbers) == MOST else 0
        for place, (number, age) in enumerate(numbers):
            if (age < SETTLED and place >= early) or (first_new is not None and number >= first_new):
                break
            self._after = number
        self._seen = {number for number in self._seen if number > self._after}
        return self._announcements.payloads(conn, new) if new else []

    def _armed(self) -> Waiter:
        """A waiter on the present connection."""
        conn = self._session.connection
        if conn is None or conn is not self._waits_on or self._waiter is None:
            self._drop_waiter()
            conn = self._session.connect()
            self._waiter = self._announcements.bell.waiter(conn, self._interrupt, (self._channel.name,))
            self._waits_on = conn
        try:
            self._waiter.arm()
        except FAILURES as exc:
            raise self._lost(exc) from exc
        return self._waiter

    def _listen(self, waiter: Waiter, seconds: float) -> None:
        try:
            waiter.wait(seconds)
        except FAILURES as exc:
            raise self._lost(exc) from exc

    def _lost(self, exc: BaseException) -> TQError:
        """The next call listens on another connection."""
        self._session.abandon()
        return self._faults.translate(exc)

    def _drop_waiter(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.close()
