"""Messages on their way into the table: packed first, so that a bad one never reaches a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tq.errors import EncodeError, PublishError
from tq.records import Envelope, Lock
from tq.wire.envelope import pack
from tq_sql.dialects import Dialect, Ready, clock
from tq_sql.locks import Locks
from tq_sql.tables import DELAYED, NAME_LENGTH, Tables, is_storable

UNIQUE_FOR = 86400.0
"""Seconds for which a second publish of one id is a no-op."""


class Parcel(msgspec.Struct, frozen=True):
    """One packed envelope."""

    queue: str
    lane: int
    delay: float
    payload: bytes
    unique: str | None
    lock: Lock | None = None

    @property
    def simple(self) -> bool:
        """One new row, whatever else there is."""
        return self.delay <= 0 and self.unique is None and self.lock is None


def wrap(envelope: Envelope, largest: int | None = None) -> Parcel:
    """Pack an envelope. Raises `PublishError` for what no row can hold."""
    queue = envelope.queue
    if not 0 < len(queue) <= NAME_LENGTH:
        raise PublishError(f"a queue's name has 1 to {NAME_LENGTH} characters, not {len(queue)}")
    task_id = envelope.message.headers.get("id") if envelope.unique else None
    for name in (queue, task_id, envelope.lock and envelope.lock.owner):
        if isinstance(name, str) and not is_storable(name):
            raise PublishError(
                f"cannot publish to queue {queue!r}: {name!r} holds what text in a database cannot"
            )
    try:
        payload = pack(envelope)
    except (EncodeError, UnicodeError) as exc:
        raise PublishError(f"cannot publish to queue {queue!r}: {exc}") from exc
    if largest is not None and len(payload) > largest:
        raise PublishError(
            f"a message of {len(payload)} bytes is larger than the server takes; raise its max_allowed_packet"
        )
    return Parcel(
        queue,
        lane_of(envelope.priority),
        envelope.delay,
        payload,
        task_id if isinstance(task_id, str) and len(task_id) <= NAME_LENGTH else None,
        envelope.lock,
    )


def lane_of(priority: int | None) -> int:
    """9 for the least urgent."""
    if not priority:
        return 9
    return 9 - min(9, max(0, priority))


class Inlet:
    """Puts parcels into the table."""

    def __init__(self, dialect: Dialect, tables: Tables) -> None:
        self._dialect = dialect
        self._tables = tables
        self._locks = Locks(dialect, tables)
        self._forget = sa.delete(tables.uniques).where(
            tables.uniques.c.task_id.in_(sa.bindparam("ids", expanding=True))
        )
        delay = sa.bindparam("delay", type_=sa.Double)
        self._delayed = sa.insert(tables.messages).values(
            queue=sa.bindparam("queue"),
            lane=sa.bindparam("lane"),
            payload=sa.bindparam("payload"),
            state=DELAYED,
            due_at=clock(dialect) + delay,
        )

    def put(self, conn: Connection, parcels: Sequence[Parcel]) -> dict[int, str]:
        """Store all of them, but not those whose id is known already, nor those whose lock another has: for these
        the place among `parcels`, and the owner."""
        fresh = self._fresh(conn, parcels)
        locked = self._locked(conn, parcels, fresh)
        self._store(conn, [parcels[at] for at in fresh if at not in locked])
        return locked

    def put_alone(self, conn: Connection, parcels: Sequence[Parcel], topic: str) -> None:
        """`put` and the bell in one statement, for parcels that are `simple`."""
        rows = [(p.queue, p.lane, p.payload) for p in parcels]
        self._dialect.insert_and_ring(conn, self._tables, rows, topic, queues_of(parcels))

    def _store(self, conn: Connection, parcels: Sequence[Parcel]) -> None:
        ready = [(p.queue, p.lane, p.payload) for p in parcels if p.delay <= 0]
        if ready:
            self._insert(conn, ready)
        delayed = [
            {"queue": p.queue, "lane": p.lane, "payload": p.payload, "delay": p.delay}
            for p in parcels
            if p.delay > 0
        ]
        if delayed:
            conn.execute(self._delayed, delayed)

    def _fresh(self, conn: Connection, parcels: Sequence[Parcel]) -> Sequence[int]:
        """The places of those that were not published before."""
        ids = [p.unique for p in parcels if p.unique is not None]
        if not ids:
            return range(len(parcels))
        return list(_once(parcels, self._remember(conn, sorted(set(ids)))))

    def _insert(self, conn: Connection, rows: Sequence[Ready]) -> None:
        self._dialect.insert(conn, self._tables, rows)

    def _remember(self, conn: Connection, ids: Sequence[str]) -> set[str]:
        return self._dialect.new_uniques(conn, self._tables, ids, UNIQUE_FOR)

    def _locked(self, conn: Connection, parcels: Sequence[Parcel], fresh: Sequence[int]) -> dict[int, str]:
        wanted = [(at, parcel.queue, parcel.lock) for at in fresh if (parcel := parcels[at]).lock is not None]
        owners = self._locks.take(conn, [(queue, lock) for _, queue, lock in wanted])
        locked = {
            at: owner for (at, _, lock), owner in zip(wanted, owners, strict=True) if owner != lock.owner
        }
        ids = [parcels[at].unique for at in locked if parcels[at].unique is not None]
        if ids:
            # They were not published after all.
            conn.execute(self._forget, {"ids": ids})
        return locked


def _once(parcels: Iterable[Parcel], new: set[str]) -> Iterable[int]:
    for at, parcel in enumerate(parcels):
        if parcel.unique is None:
            yield at
        elif parcel.unique in new:
            new.discard(parcel.unique)
            yield at


def queues_of(parcels: Iterable[Parcel]) -> list[str]:
    """Each queue once, in a fixed order."""
    return sorted({p.queue for p in parcels})
