"""The end of deliveries: all that a batch of settlements does, inside one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tq.errors import PublishError, SerializationError
from tq.records import Action, Lock, Settlement, TaskMeta
from tq_sql.dialects import Dialect, clock
from tq_sql.locks import Locks
from tq_sql.parcels import Inlet, Parcel, wrap
from tq_sql.tables import DEAD, DELAYED, READY, Tables, storable

REASON_LENGTH = 4000

ResultRow: TypeAlias = dict[str, Any]
ToRow: TypeAlias = Callable[[TaskMeta], ResultRow]
StoreRows: TypeAlias = Callable[[Connection, Sequence[ResultRow]], None]


class Closing(msgspec.Struct, frozen=True):
    """One settlement, with all that it stores packed."""

    receipt: int
    queue: str
    action: Action
    delay: float
    reason: str
    publish: tuple[Parcel, ...]
    result: ResultRow | None
    unlock: Lock | None = None

    @property
    def plain(self) -> bool:
        """Nothing but the removal of the message."""
        return self.action is Action.ACK and not self.publish and self.result is None and self.unlock is None


def close_up(settlement: Settlement, to_row: ToRow | None, largest: int | None = None) -> Closing:
    """Pack a settlement. What cannot be stored makes it a dead letter, rather than spoil its batch."""
    receipt, queue = int(settlement.delivery.receipt), settlement.delivery.queue
    try:
        parcels = (
            tuple([wrap(envelope, largest) for envelope in settlement.publish]) if settlement.publish else ()
        )
        result = to_row(settlement.result) if to_row and settlement.result is not None else None
    except (PublishError, SerializationError) as exc:
        why = f"what follows from it cannot be stored: {exc}"
        return Closing(receipt, queue, Action.DEAD, 0.0, why, (), None, settlement.unlock)
    return Closing(
        receipt,
        queue,
        settlement.action,
        settlement.delay,
        settlement.reason,
        parcels,
        result,
        settlement.unlock,
    )


def new_in(done: Sequence[Closing]) -> list[str]:
    """The queue of each message that waits now because of these."""
    published = [parcel.queue for closing in done for parcel in closing.publish]
    return published + [closing.queue for closing in done if closing.action is Action.REQUEUE]


class Outlet:
    """Settles for one broker."""

    def __init__(self, dialect: Dialect, tables: Tables, inlet: Inlet) -> None:
        self._dialect = dialect
        self._tables = tables
        self._inlet = inlet
        self._locks = Locks(dialect, tables)
        c = tables.messages.c
        now = clock(dialect)
        mine = sa.and_(dialect.among(c.id, "ids"), c.holder == sa.bindparam("me", type_=sa.BigInteger))
        one = sa.and_(
            c.id == sa.bindparam("receipt", type_=sa.BigInteger),
            c.holder == sa.bindparam("me", type_=sa.BigInteger),
        )
        self._mine = sa.select(c.id).where(mine)
        self._others = sa.select(c.id).where(dialect.among(c.id, "ids"), c.holder.is_not(None))
        self._delete = sa.delete(tables.messages).where(mine).returning(c.id)
        update = sa.update(tables.messages)
        self._back = update.where(mine).values(state=READY, holder=None, due_at=None)
        self._later = update.where(one).values(
            state=DELAYED, holder=None, due_at=now + sa.bindparam("delay", type_=sa.Double)
        )
        self._bury = update.where(one).values(
            state=DEAD, holder=None, due_at=None, died_at=now, reason=sa.bindparam("why", type_=sa.Text)
        )

    def settle(
        self, conn: Connection, me: int, batch: Sequence[Closing], store: StoreRows | None
    ) -> tuple[list[bool], list[Closing]]:
        """For a consumer that is alive: whether each is settled, and those that took effect just now and are more than
        the removal of a message.

        A row that is gone was settled before, in a transaction whose answer got lost.
        """
        first = {closing.receipt: closing for closing in reversed(batch)}
        others = {receipt: closing for receipt, closing in first.items() if not closing.plain}
        plain = [receipt for receipt in first if receipt not in others]
        whole = not plain or self._dialect.remove(conn, self._tables, me, plain) == len(plain)
        held = self._take(conn, me, others) if others else set()
        done = [closing for receipt, closing in others.items() if receipt in held]
        results = [closing.result for closing in done if closing.result is not None]
        if results and store is not None:
            store(conn, results)
        parcels = [parcel for closing in done for parcel in closing.publish]
        if parcels:
            self._inlet.put(conn, parcels)
        unlocks = [(closing.queue, closing.unlock) for closing in done if closing.unlock is not None]
        if unlocks:
            self._locks.end(conn, unlocks)
        if whole and len(held) == len(others):
            return [True] * len(batch), done
        missing = [receipt for receipt in others if receipt not in held]
        lost = self._held_by_others(conn, missing if whole else missing + plain)
        return [not (c.receipt in lost and c.action is not Action.REQUEUE) for c in batch], done

    def _take(self, conn: Connection, me: int, batch: dict[int, Closing]) -> set[int]:
        """Do the actions; returns the receipts that were held."""
        acked = [r for r, c in batch.items() if c.action is Action.ACK]
        others = [r for r, c in batch.items() if c.action is not Action.ACK]
        held: set[int] = set()
        if acked:
            held |= self._remove(conn, me, acked)
        if others:
            mine = self._select_mine(conn, me, others)
            self._move(conn, me, [batch[r] for r in others if r in mine])
            held |= mine
        return held

    def _remove(self, conn: Connection, me: int, receipts: Sequence[int]) -> set[int]:
        if self._dialect.deletes_return:
            values = {"ids": self._dialect.ids(receipts), "me": me}
            return set(conn.execute(self._delete, values).scalars())
        mine = self._select_mine(conn, me, receipts)
        self._dialect.remove(conn, self._tables, me, receipts)
        return mine

    def _select_mine(self, conn: Connection, me: int, receipts: Sequence[int]) -> set[int]:
        return set(conn.execute(self._mine, {"ids": self._dialect.ids(receipts), "me": me}).scalars())

    def _held_by_others(self, conn: Connection, receipts: Sequence[int]) -> set[int]:
        return set(conn.execute(self._others, {"ids": self._dialect.ids(receipts)}).scalars())

    def _move(self, conn: Connection, me: int, batch: Sequence[Closing]) -> None:
        back = [c.receipt for c in batch if c.action is Action.REQUEUE and c.delay <= 0]
        if back:
            conn.execute(self._back, {"ids": self._dialect.ids(back), "me": me})
        later = [
            {"receipt": c.receipt, "me": me, "delay": c.delay}
            for c in batch
            if c.action is Action.REQUEUE and c.delay > 0
        ]
        if later:
            conn.execute(self._later, later)
        dead = [
            {"receipt": c.receipt, "me": me, "why": storable(c.reason)[:REASON_LENGTH]}
            for c in batch
            if c.action is Action.DEAD
        ]
        if dead:
            conn.execute(self._bury, dead)
