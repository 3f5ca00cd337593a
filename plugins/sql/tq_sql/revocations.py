"""Tasks that must not run: told once, known to every worker."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tq.records import Revocation
from tq_sql.dialects import Dialect, clock
from tq_sql.tables import NAME_LENGTH, Tables, is_storable


class Revocations:
    """For one broker. Every method runs inside a transaction."""

    def __init__(self, dialect: Dialect, tables: Tables) -> None:
        table = tables.revocations
        now = clock(dialect)
        c = table.c
        # Writers one after the other: a version that is seen means that no smaller one is still to come.
        self._alone = sa.select(tables.schema.c.version).with_for_update()
        self._forget = sa.delete(table).where(sa.or_(c.expires_at <= now, c.task_id == sa.bindparam("old")))
        self._add = sa.insert(table).values(
            task_id=sa.bindparam("task"),
            terminates=sa.bindparam("ends"),
            signal=sa.bindparam("how"),
            expires_at=now + sa.bindparam("life", type_=sa.Double),
        )
        self._newest = sa.select(sa.func.max(c.version))
        self._since = (
            sa.select(c.task_id, c.terminates, c.signal)
            .where(c.version > sa.bindparam("after", type_=sa.BigInteger), c.expires_at > now)
            .order_by(c.version)
        )

    def add(self, conn: Connection, batch: Sequence[Revocation], expires: float) -> None:
        """Remember these, each in place of an older one of its task."""
        conn.execute(self._alone).all()
        for one in batch:
            if len(one.task_id) > NAME_LENGTH or not is_storable(one.task_id):
                continue  # no message with such an id was accepted
            conn.execute(self._forget, {"old": one.task_id})
            conn.execute(
                self._add, {"task": one.task_id, "ends": one.terminate, "how": one.signal, "life": expires}
            )

    def since(self, conn: Connection, after: int) -> tuple[int, list[Revocation]]:
        """The newest version, and what came after that one."""
        newest = int(conn.execute(self._newest).scalar() or 0)
        if newest <= after:
            return newest, []
        rows = conn.execute(self._since, {"after": after})
        return newest, [Revocation(row.task_id, bool(row.terminates), row.signal) for row in rows]
