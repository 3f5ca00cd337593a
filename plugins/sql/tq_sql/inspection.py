"""Looking into queues, emptying them, and the dead letters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tq.records import DeadLetter, QueueStats
from tq.wire.envelope import unpack
from tq_sql.dialects import Dialect, clock
from tq_sql.tables import DEAD, DELAYED, LENT, READY, Tables

CHUNK = 5000
"""Rows removed in one transaction, so that others get their turn."""


class Inspection:
    """For one broker. Every method runs inside a transaction."""

    def __init__(self, dialect: Dialect, tables: Tables) -> None:
        self._dialect = dialect
        self._messages = tables.messages
        self._consumers = tables.consumers
        self._now = clock(dialect)

    def stats(self, conn: Connection, queue: str) -> QueueStats:
        """Count what lies in a queue."""
        m, c = self._messages.c, self._consumers.c
        first = sa.select(sa.func.min(m.id)).where(m.queue == queue, m.state == READY).group_by(m.lane)
        oldest = sa.select(self._now - sa.func.min(m.enqueued_at)).where(m.id.in_(first))
        living = conn.execute(sa.select(c.queues).where(c.deadline >= self._now)).scalars()
        age = conn.execute(oldest).scalar()
        return QueueStats(
            queue,
            ready=self._count(conn, queue, m.state == READY),
            delayed=self._count(conn, queue, m.state == DELAYED),
            in_flight=self._count(conn, queue, m.state == LENT, m.holder.is_not(None)),
            dead=self._count(conn, queue, m.state == DEAD),
            oldest_age=None if age is None else max(0.0, float(age)),
            consumers=sum(queue in json.loads(queues) for queues in living),
        )

    def _count(self, conn: Connection, queue: str, *rows: sa.ColumnElement[bool]) -> int:
        query = sa.select(sa.func.count()).select_from(self._messages)
        return int(conn.execute(query.where(self._messages.c.queue == queue, *rows)).scalar_one())

    def purge(self, conn: Connection, queue: str, state: sa.ColumnElement[int]) -> int:
        """Remove up to `CHUNK` messages in this state; returns how many."""
        m = self._messages.c
        query = sa.select(m.id).where(m.queue == queue, m.state == state).limit(CHUNK)
        ids = conn.execute(self._dialect.skip_locked(query)).scalars().all()
        if ids:
            conn.execute(
                sa.delete(self._messages).where(self._dialect.among(m.id, "ids")),
                {"ids": self._dialect.ids(ids)},
            )
        return len(ids)

    # -- dead letters --------------------------------------------------------------------------------------

    def dead_letters(self, conn: Connection, queue: str, limit: int) -> list[DeadLetter]:
        """The newest dead letters."""
        m = self._messages.c
        query = (
            sa.select(m.id, m.reason, m.died_at, m.payload, m.charged)
            .where(m.queue == queue, m.state == DEAD)
            .order_by(m.died_at.desc(), m.id.desc())
            .limit(limit)
        )
        return [
            DeadLetter(str(r.id), queue, r.reason or "", r.died_at, unpack(bytes(r.payload)), r.charged + 1)
            for r in conn.execute(query)
        ]

    def requeue_dead(self, conn: Connection, queue: str, ids: Sequence[str]) -> int:
        """Make them ready again, as if nothing had happened."""
        return self._change(
            conn,
            sa.update(self._messages).values(state=READY, charged=0, reason=None, died_at=None),
            queue,
            ids,
        )

    def drop_dead(self, conn: Connection, queue: str, ids: Sequence[str]) -> int:
        """Remove them."""
        return self._change(conn, sa.delete(self._messages), queue, ids)

    def _change(self, conn: Connection, statement: Any, queue: str, ids: Sequence[str]) -> int:
        m = self._messages.c
        numbers = sorted({int(i) for i in ids if i.isascii() and i.isdigit() and len(i) < 19})
        these = sa.and_(self._dialect.among(m.id, "ids"), m.queue == queue, m.state == DEAD)
        return int(conn.execute(statement.where(these), {"ids": self._dialect.ids(numbers)}).rowcount)
