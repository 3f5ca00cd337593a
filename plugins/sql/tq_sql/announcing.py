"""Announcements: rows that are kept for a minute, for those who listen at that moment."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tq.errors import EncodeError, PublishError
from tq.records import Channel, Notice
from tq.wire.envelope import pack_notice
from tq_sql.bell import Bell, PollingBell
from tq_sql.dialects import Dialect, clock
from tq_sql.tables import NAME_LENGTH, Tables, is_storable

KEPT: Final = 60.0
"""Seconds that an announcement is there."""
SETTLED: Final = 5.0
"""Seconds after which no announcement with a smaller number is still to come: transactions are short."""
_SWEEP: Final = 10.0
"""Seconds between two removals of what is old, in one process."""
MOST: Final = 10_000
"""Numbers that one look reads."""

Row = dict[str, Any]


class Announcements:
    """The statements of one broker. Every method but `rows_of` and `is_due` runs inside a transaction."""

    def __init__(self, dialect: Dialect, tables: Tables, topic: str) -> None:
        table = tables.announcements
        now, c = clock(dialect), table.c
        # The bell of a file rings for each write, also for messages, which are none of a listener's business.
        self.bell: Bell = dialect.bell(topic, shared=True) if dialect.notifies else PollingBell()
        self._swept = -_SWEEP
        self._add = sa.insert(table)
        self._sweep = sa.delete(table).where(c.said_at < now - KEPT)
        self._newest = sa.select(sa.func.max(c.id))
        heard = sa.and_(
            c.channel == sa.bindparam("channel"), c.id > sa.bindparam("after", type_=sa.BigInteger)
        )
        numbers = sa.select(c.id, (now - c.said_at).label("age")).order_by(c.id).limit(MOST)
        self._numbers = numbers.where(heard)
        self._own_numbers = numbers.where(heard, c.routing_key == sa.bindparam("key"))
        self._payloads = (
            sa.select(c.id, c.routing_key, c.payload)
            .where(c.id.in_(sa.bindparam("ids", expanding=True)))
            .order_by(c.id)
        )

    def rows_of(
        self, batch: Sequence[Notice], largest: int | None, url: str
    ) -> tuple[list[Row], list[Exception | None]]:
        """What is to be stored, and an answer for each notice."""
        rows: list[Row] = []
        answers: list[Exception | None] = []
        for notice in batch:
            try:
                rows.append(_row(notice, largest))
                answers.append(None)
            except EncodeError as exc:
                answers.append(PublishError(str(exc), url=url))
        return rows, answers

    def add(self, conn: Connection, rows: Sequence[Row]) -> None:
        """Store these, and tell who listens."""
        conn.execute(self._add, list(rows))
        self.bell.ring_inside(conn, sorted({row["channel"] for row in rows}))

    def is_due(self) -> bool:
        """Whether it is time to remove what is old."""
        now = time.monotonic()
        if now - self._swept < _SWEEP:
            return False
        self._swept = now
        return True

    def sweep(self, conn: Connection) -> None:
        """Remove what is old."""
        conn.execute(self._sweep)

    def newest(self, conn: Connection) -> int:
        """The number given last."""
        return int(conn.execute(self._newest).scalar() or 0)

    def numbers(self, conn: Connection, channel: Channel, key: str, after: int) -> list[tuple[int, float]]:
        """Numbers and ages of what was said on a channel after that number."""
        told = {"channel": channel.name, "after": after}
        if channel.kind == "direct":
            rows = conn.execute(self._own_numbers, {**told, "key": key})
        else:
            rows = conn.execute(self._numbers, told)
        return [(int(row.id), float(row.age)) for row in rows]

    def payloads(self, conn: Connection, ids: Sequence[int]) -> list[tuple[int, str, bytes]]:
        """Those of these that are still there, in order: number, routing key, message."""
        rows = conn.execute(self._payloads, {"ids": list(ids)})
        return [(int(row.id), row.routing_key, bytes(row.payload)) for row in rows]


def _row(notice: Notice, largest: int | None) -> Row:
    payload = pack_notice(notice)
    if largest is not None and len(payload) > largest:
        raise EncodeError(f"an announcement has {len(payload)} bytes, and this server takes {largest}")
    for name in (notice.channel.name, notice.routing_key):
        if len(name) > NAME_LENGTH:
            raise EncodeError(f"the name {name[:50]!r}... has more than {NAME_LENGTH} characters")
        if not is_storable(name):
            raise EncodeError(f"the name {name!r} holds what text in a database cannot")
    return {"channel": notice.channel.name, "routing_key": notice.routing_key, "payload": payload}
