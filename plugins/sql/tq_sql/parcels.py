"""Messages on their way into the table: packed first, so that a bad one never reaches a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tq.errors import EncodeError, PublishError
from tq.records import Envelope
from tq.wire.envelope import pack
from tq_sql.dialects import Dialect, clock
from tq_sql.tables import DELAYED, NAME_LENGTH, Tables

UNIQUE_FOR = 86400.0
"""Seconds for which a second publish of one id is a no-op."""


class Parcel(msgspec.Struct, frozen=True):
    """One packed envelope."""

    queue: str
    lane: int
    delay: float
    payload: bytes
    unique: str | None


def wrap(envelope: Envelope, largest: int | None = None) -> Parcel:
    """Pack an envelope. Raises `PublishError` for what no row can hold."""
    queue = envelope.queue
    if not 0 < len(queue) <= NAME_LENGTH:
        raise PublishError(f"a queue's name has 1 to {NAME_LENGTH} characters, not {len(queue)}")
    try:
        queue.encode()
        payload = pack(envelope)
    except (EncodeError, UnicodeError) as exc:
        raise PublishError(f"cannot publish to queue {queue!r}: {exc}") from exc
    if largest is not None and len(payload) > largest:
        raise PublishError(
            f"a message of {len(payload)} bytes is larger than the server takes; raise its max_allowed_packet"
        )
    task_id = envelope.message.headers.get("id") if envelope.unique else None
    return Parcel(
        queue,
        lane_of(envelope.priority),
        envelope.delay,
        payload,
        task_id if isinstance(task_id, str) and len(task_id) <= NAME_LENGTH else None,
    )


def lane_of(priority: int | None) -> int:
    """9 for the least urgent."""
    return 9 - min(9, max(0, priority or 0))


class Inlet:
    """Puts parcels into the table."""

    def __init__(self, dialect: Dialect, tables: Tables) -> None:
        self._dialect = dialect
        self._tables = tables
        delay = sa.bindparam("delay", type_=sa.Double)
        self._delayed = sa.insert(tables.messages).values(
            queue=sa.bindparam("queue"),
            lane=sa.bindparam("lane"),
            payload=sa.bindparam("payload"),
            state=DELAYED,
            due_at=clock(dialect) + delay,
        )

    def put(self, conn: Connection, parcels: Sequence[Parcel]) -> None:
        """Store all of them, but not those whose id is known already."""
        parcels = self._fresh(conn, parcels)
        ready = [_row(p) for p in parcels if p.delay <= 0]
        if ready:
            self._dialect.insert(conn, self._tables, ready)
        delayed = [{**_row(p), "delay": p.delay} for p in parcels if p.delay > 0]
        if delayed:
            conn.execute(self._delayed, delayed)

    def _fresh(self, conn: Connection, parcels: Sequence[Parcel]) -> Sequence[Parcel]:
        ids = [p.unique for p in parcels if p.unique is not None]
        if not ids:
            return parcels
        new = self._dialect.new_uniques(conn, self._tables, sorted(set(ids)), UNIQUE_FOR)
        return list(_once(parcels, new))


def _once(parcels: Iterable[Parcel], new: set[str]) -> Iterable[Parcel]:
    for parcel in parcels:
        if parcel.unique is None:
            yield parcel
        elif parcel.unique in new:
            new.discard(parcel.unique)
            yield parcel


def _row(parcel: Parcel) -> dict[str, Any]:
    return {"queue": parcel.queue, "lane": parcel.lane, "payload": parcel.payload}


def queues_of(parcels: Iterable[Parcel]) -> list[str]:
    """Each queue once, in a fixed order."""
    return sorted({p.queue for p in parcels})
