"""Locks of unique tasks: rows of their own, changed in the transaction of what takes or ends them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tq.records import Lock
from tq_sql.dialects import Dialect, asked, clock
from tq_sql.tables import Tables, is_storable

Held = tuple[str, Lock]
"""A queue, and a lock in it."""


class Locks:
    """For one broker. Every method runs inside a transaction."""

    def __init__(self, dialect: Dialect, tables: Tables) -> None:
        table = tables.locks
        now, c = clock(dialect), table.c
        name: sa.BindParameter[str] = sa.bindparam("lock_name")
        owner: sa.BindParameter[str] = sa.bindparam("lock_owner")
        ends = now + sa.bindparam("seconds", type_=sa.Double)
        # Nobody else's, and not one's own either: that one is prolonged.
        self._take = dialect.upsert(table, "name", c.expires_at > now).values(
            name=name, owner=owner, expires_at=ends
        )
        self._prolong = (
            sa.update(table)
            .where(c.name == name, c.owner == owner, c.expires_at > now)
            .values(expires_at=ends)
        )
        owners = sa.select(c.name, c.owner).where(c.name.in_(sa.bindparam("names", expanding=True)))
        # A caller's own transaction may read as of its beginning, when another's lock was not there.
        self._owners = owners.with_for_update(read=True)
        self._end = sa.delete(table).where(c.name == name, c.owner == owner)
        over = c.expires_at < asked(dialect)
        self.over = sa.exists().where(over)
        self._forget = sa.delete(table).where(over)

    def take(self, conn: Connection, wanted: Sequence[Held]) -> list[str]:
        """Take these in their order, and prolong one's own; for each its owner now."""
        if not wanted:
            return []
        names = [_name(queue, lock) for queue, lock in wanted]
        # In one order for everybody, or two could wait for each other; the first of one name gets it.
        order = sorted(range(len(wanted)), key=lambda at: (names[at], at))
        for at in order:
            lock = wanted[at][1]
            values = {"lock_name": names[at], "lock_owner": lock.owner, "seconds": lock.seconds}
            conn.execute(self._take, values)
            conn.execute(self._prolong, values)
        owners = {row.name: row.owner for row in conn.execute(self._owners, {"names": sorted(set(names))})}
        return [owners.get(name, wanted[at][1].owner) for at, name in enumerate(names)]

    def end(self, conn: Connection, held: Iterable[Held]) -> None:
        """End these, where they are their owners' still."""
        # No other owner was let in.
        ends = sorted((_name(queue, lock), lock.owner) for queue, lock in held if is_storable(lock.owner))
        if ends:
            conn.execute(self._end, [{"lock_name": name, "lock_owner": owner} for name, owner in ends])

    def forget(self, conn: Connection) -> None:
        """Drop those whose time is over."""
        conn.execute(self._forget)


def _name(queue: str, lock: Lock) -> str:
    """Of a length that a key may have, whatever queue and key are."""
    return hashlib.sha256(f"{queue}\0{lock.key}".encode("utf-8", "surrogatepass")).hexdigest()
