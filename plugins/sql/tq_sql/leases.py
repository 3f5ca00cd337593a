"""Who is alive, and what becomes of what the dead held."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tq.records import Action, Delivery, Heartbeat
from tq_sql.deliveries import delivery
from tq_sql.dialects import Dialect, asked, clock
from tq_sql.direct import rows_of
from tq_sql.locks import Locks
from tq_sql.settling import REASON_LENGTH
from tq_sql.tables import DEAD, DELAYED, LENT, READY, Tables, storable


class Leases:
    """Consumers and their leases, for one broker. Every method runs inside a transaction."""

    def __init__(self, dialect: Dialect, tables: Tables) -> None:
        self._dialect = dialect
        self._consumers = tables.consumers
        self._messages = tables.messages
        self._uniques = tables.uniques
        self._now, self._asked = clock(dialect), asked(dialect)
        self._locks_over = Locks(dialect, tables).over
        self._ends = self._now + sa.bindparam("lease", type_=sa.Double)
        c = tables.consumers.c
        self._alive = f"SELECT id FROM {tables.consumers.name} WHERE id = %d{dialect.shared}"
        self._beat = (
            sa.update(tables.consumers)
            .where(c.name == sa.bindparam("who"))
            .values(deadline=self._ends, running=sa.bindparam("receipts", type_=sa.Text))
        )
        m = tables.messages.c
        holders = sa.select(c.id).where(c.name.in_(sa.bindparam("names", expanding=True)))
        # Those that somebody has locked are just being received or settled: they are none of this beat's.
        self._counted = dialect.skip_locked(
            sa.select(m.id).where(m.holder.in_(holders), m.state == LENT, m.due_at.is_not(None))
        )
        self._clear = sa.update(tables.messages).where(dialect.among(m.id, "ids")).values(due_at=None)

    def register(self, conn: Connection, name: str, queues: Sequence[str], lease: float) -> int:
        """Start a lease; repeating it after a lost answer finds the row of the first try."""
        c = self._consumers.c
        found = conn.execute(sa.select(c.id).where(c.name == name)).scalar()
        if found is not None:
            conn.execute(self._beat, {"who": name, "receipts": "[]", "lease": lease})
            return int(found)
        statement = sa.insert(self._consumers).values(
            name=name, queues=json.dumps(list(queues)), running="[]", deadline=self._ends
        )
        key = conn.execute(statement, {"lease": lease}).inserted_primary_key
        assert key is not None
        return int(key[0])

    def alive(self, conn: Connection, me: int) -> bool:
        """Whether the consumer lives; it cannot be buried before this transaction ends."""
        return bool(rows_of(conn, self._alive % me))

    def beat(self, conn: Connection, beats: Sequence[Heartbeat], lease: float) -> list[bool]:
        """Extend the leases of those that live, and forget what counted as running before."""
        alive = [
            conn.execute(
                self._beat,
                {"who": b.consumer_id, "receipts": json.dumps(b.running), "lease": lease},
            ).rowcount
            > 0
            for b in beats
        ]
        # Consumers first, as in a turn: in the other order the two could wait for each other.
        names = [b.consumer_id for b in beats]
        counted = conn.execute(self._counted, {"names": names}).scalars().all() if names else ()
        if counted:
            conn.execute(self._clear, {"ids": self._dialect.ids(counted)})
        return alive

    def held(self, conn: Connection, name: str, receipts: Sequence[int]) -> list[Delivery]:
        """Those of these that the consumer holds."""
        m, c = self._messages.c, self._consumers.c
        query = (
            sa.select(m.id, m.queue, m.charged, m.payload)
            .join(self._consumers, m.holder == c.id)
            .where(self._dialect.among(m.id, "ids"), c.name == name)
            .order_by(m.id)
        )
        return [delivery(row) for row in conn.execute(query, {"ids": self._dialect.ids(receipts)})]

    def lent(self, conn: Connection, holder: int) -> list[Delivery]:
        """All that the consumer of this key holds."""
        m = self._messages.c
        query = sa.select(m.id, m.queue, m.charged, m.payload).where(m.holder == holder).order_by(m.id)
        return [delivery(row) for row in conn.execute(query)]

    # -- death ---------------------------------------------------------------------------------------------

    def bury(
        self, conn: Connection, name: str, running: Sequence[int], action: Action, reason: str, limit: int
    ) -> tuple[list[Delivery], list[str]]:
        """End a consumer's life: what it held goes back. Returns new dead letters, and queues that got some.

        The consumer's row goes first: with it every late settlement of this consumer fails.
        """
        c = self._consumers.c
        me = conn.execute(sa.select(c.id).where(c.name == name).with_for_update()).scalar()
        if me is None:
            return [], []
        conn.execute(sa.delete(self._consumers).where(c.id == me))
        return self._give_back(conn, int(me), running, action, reason, limit)

    def reap(self, conn: Connection, limit: int) -> tuple[list[Delivery], list[str]]:
        """Bury all whose lease is over."""
        c = self._consumers.c
        late = sa.select(c.id, c.name, c.running).where(c.deadline < self._asked).order_by(c.id)
        dead: list[Delivery] = []
        queues: set[str] = set()
        for row in conn.execute(self._dialect.skip_locked(late)).all():
            conn.execute(sa.delete(self._consumers).where(c.id == row.id))
            running = {*json.loads(row.running), *self._firsts(conn, row.id)}
            reason = f"consumer {row.name} died while running it, as others before"
            more, touched = self._give_back(conn, row.id, running, Action.REQUEUE, reason, limit)
            dead += more
            queues.update(touched)
        return dead, sorted(queues)

    def _firsts(self, conn: Connection, me: int) -> Sequence[int]:
        """The first of each batch since the last heartbeat, of those that it still holds."""
        m = self._messages.c
        query = sa.select(m.id).where(m.holder == me, m.due_at.is_not(None))
        return conn.execute(query).scalars().all()

    def _give_back(
        self, conn: Connection, me: int, running: Collection[int], action: Action, reason: str, limit: int
    ) -> tuple[list[Delivery], list[str]]:
        m = self._messages.c
        dead: list[Delivery] = []
        if running:
            dead = self._charge(conn, me, sorted(set(running)), action, reason, limit)
        query = sa.select(m.queue).where(m.holder == me).distinct()
        queues = [queue for queue in conn.execute(query).scalars() if queue is not None]
        if queues:
            conn.execute(
                sa.update(self._messages).where(m.holder == me).values(state=READY, holder=None, due_at=None)
            )
        return dead, queues

    def _charge(
        self, conn: Connection, me: int, running: Sequence[int], action: Action, reason: str, limit: int
    ) -> list[Delivery]:
        m = self._messages.c
        values = {"ids": self._dialect.ids(running)}
        these = sa.and_(self._dialect.among(m.id, "ids"), m.holder == me)
        if action is Action.ACK:
            conn.execute(sa.delete(self._messages).where(these), values)
            return []
        doomed = these if action is Action.DEAD else sa.and_(these, m.charged + 1 >= limit)
        query = sa.select(m.id, m.queue, m.charged, m.payload).where(doomed).order_by(m.id)
        dead = [delivery(row) for row in conn.execute(query, values)]
        if dead:
            conn.execute(
                sa.update(self._messages)
                .where(doomed)
                .values(
                    state=DEAD,
                    holder=None,
                    due_at=None,
                    died_at=self._now,
                    reason=storable(reason)[:REASON_LENGTH],
                ),
                values,
            )
        conn.execute(sa.update(self._messages).where(these).values(charged=m.charged + 1), values)
        return dead

    # -- time ----------------------------------------------------------------------------------------------

    def overdue(self, conn: Connection) -> tuple[bool, bool, bool, float]:
        """Whether there are messages to promote, consumers to bury, and ids to forget; and the store's time."""
        m, c, u = self._messages.c, self._consumers.c, self._uniques.c
        row = conn.execute(
            sa.select(
                sa.exists().where(m.state == DELAYED, m.due_at <= self._asked),
                sa.exists().where(c.deadline < self._asked),
                sa.or_(sa.exists().where(u.expires_at < self._asked), self._locks_over),
                self._now,
            )
        ).one()
        return bool(row[0]), bool(row[1]), bool(row[2]), float(row[3])

    def promote(self, conn: Connection, count: int = 1000) -> list[str]:
        """Make due messages ready, up to `count`; returns their queues, one for each message."""
        m = self._messages.c
        query = (
            sa.select(m.id, m.queue)
            .where(m.state == DELAYED, m.due_at <= self._asked)
            .order_by(m.due_at)
            .limit(count)
        )
        rows = conn.execute(self._dialect.skip_locked(query)).all()
        if rows:
            conn.execute(
                sa.update(self._messages)
                .where(self._dialect.among(m.id, "ids"), m.state == DELAYED)
                .values(state=READY, due_at=None),
                {"ids": self._dialect.ids([row.id for row in rows])},
            )
        return [row.queue for row in rows]

    def forget_uniques(self, conn: Connection) -> None:
        """Drop the ids that were remembered long enough."""
        conn.execute(sa.delete(self._uniques).where(self._uniques.c.expires_at < self._asked))

    def look(self, queues: Sequence[str]) -> sa.Select[Any]:
        """A query for (alive, ready, seconds to the next due one) of the consumer `me`."""
        m, c = self._messages.c, self._consumers.c
        alive = sa.exists().where(c.id == sa.bindparam("me", type_=sa.BigInteger))
        ready = sa.or_(*(sa.exists().where(m.queue == queue, m.state == READY) for queue in queues))
        due = (
            sa.select(sa.func.min(m.due_at))
            .where(m.state == DELAYED, m.queue.in_(list(queues)))
            .scalar_subquery()
        )
        return sa.select(alive.label("alive"), ready.label("ready"), (due - self._now).label("due_in"))
