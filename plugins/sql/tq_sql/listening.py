"""Hearing the bell of PostgreSQL: LISTEN on the waiter's own connection."""

from __future__ import annotations

import json
import selectors
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Connection

from tq_sql.bell import Interrupt, Waiter

if TYPE_CHECKING:
    import psycopg

LOOK = 1.0
"""Seconds after which a waiter looks by itself: a pooler may swallow what the server says."""


class NotifyWaiter(Waiter):
    """Hears those notifications of a channel that name something it waits for."""

    def __init__(self, conn: Connection, interrupt: Interrupt, topic: str, names: frozenset[str]) -> None:
        super().__init__(conn, interrupt)
        self._raw: Any = conn.connection.driver_connection
        self._names = names
        self._topic = topic
        self._listening = False
        self._heard = False

    def arm(self) -> None:
        try:
            if not self._listening:
                self._raw.add_notify_handler(self._handle)
                self._raw.execute(f'LISTEN "{self._topic}"')
                self._raw.commit()
                self._selector.register(self._raw.fileno(), selectors.EVENT_READ)
                self._listening = True
            self._drain()
        except self._raw.Error as exc:
            raise ConnectionError(str(exc)) from exc
        self._heard = False

    def wait(self, seconds: float) -> bool:
        end = time.monotonic() + min(seconds, LOOK)
        try:
            self._drain()
            while not self._heard and (left := end - time.monotonic()) > 0:
                ready = self._selector.select(left)
                if any(key.fileobj is self._interrupt for key, _ in ready):
                    return True
                self._drain()
        except (self._raw.Error, ValueError) as exc:
            raise ConnectionError(f"lost while waiting: {exc}") from exc
        return self._heard or seconds > LOOK

    def _drain(self) -> None:
        """Take what the server has sent since, without waiting for it."""
        pgconn = self._raw.pgconn
        pgconn.consume_input()
        while (note := pgconn.notifies()) is not None:
            self._hear(note.extra.decode())

    def _handle(self, note: psycopg.Notify) -> None:
        self._hear(note.payload)

    def _hear(self, said: str) -> None:
        if not said or not self._names or not self._names.isdisjoint(json.loads(said)):
            self._heard = True

    def close(self) -> None:
        super().close()
        if not self._listening:
            return
        try:
            self._raw.remove_notify_handler(self._handle)
            self._raw.execute(f'UNLISTEN "{self._topic}"')
            self._raw.commit()
        except (self._raw.Error, ValueError):
            # The connection is gone, and what it listened to with it.
            return
