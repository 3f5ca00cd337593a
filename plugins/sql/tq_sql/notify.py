"""The bell of PostgreSQL: NOTIFY in the transaction that stores."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tq_sql.bell import Bell, Interrupt, PollingWaiter, Waiter

# Here and not where it is used: a child that is forked while a thread imports a module waits for that import for ever.
from tq_sql.listening import NotifyWaiter

LONGEST = 7000
"""Bytes of a notification; the server takes 8,000."""


def said_of(names: Collection[str]) -> str:
    """What to notify of these; empty where they are too many to be named."""
    said = json.dumps(sorted(names))
    return said if len(said) <= LONGEST else ""


class NotifyBell(Bell):
    """One topic is one channel of the database."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._statement = sa.select(
            sa.func.pg_notify(sa.literal(topic, sa.Text), sa.bindparam("names", type_=sa.Text))
        )

    def ring_inside(self, conn: Connection, names: Collection[str]) -> None:
        conn.execute(self._statement, {"names": said_of(names)})

    def waiter(self, conn: Connection, interrupt: Interrupt, names: Sequence[str]) -> Waiter:
        return NotifyWaiter(conn, interrupt, self._topic, frozenset(names))


class PooledBell(NotifyBell):
    """Rings for those who listen over sessions of their own, and looks itself."""

    def waiter(self, conn: Connection, interrupt: Interrupt, names: Sequence[str]) -> Waiter:
        return PollingWaiter(conn, interrupt)
