"""An SQL database as schedule store: entries are rows of a table."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tq.contracts.schedules import Advance, Lead, Row, ScheduleCap, ScheduleStore
from tq.errors import BackendError, BackendUnavailable
from tq_sql.database import Database
from tq_sql.dialects import clock
from tq_sql.faults import Faults
from tq_sql.options import SqlOptions
from tq_sql.schedule_tables import entry_columns, make_schedule_tables, state_columns, to_row
from tq_sql.schema import create_all, is_complete
from tq_sql.tables import NAME_LENGTH
from tq_sql.urls import read_url

_log = logging.getLogger("tq.beat")
_AT_ONCE = 500


class SqlScheduleStore(ScheduleStore):
    """Takes the URLs and options of the broker. The tables are `tq_schedule` and `tq_schedule_leaders`.

    Rows may be changed by anybody else too: set `next_due` to NULL where `schedule` changes, and add one to
    `version` of the leader's row, or beat sees it when it looks at everything the next time.
    """

    capabilities: ClassVar[ScheduleCap] = ScheduleCap.DURABLE | ScheduleCap.SHARED | ScheduleCap.REMOTE
    options_type = SqlOptions

    def __init__(
        self, url: str, options: Mapping[str, Any] | None = None, *, namespace: str = "default"
    ) -> None:
        address = read_url(url)
        super().__init__(address.own, options, namespace=namespace)
        self.url = url
        self._faults = Faults(url, "schedule store", BackendError, BackendUnavailable)
        self._database = Database(address, self.options, self._faults, self._prepare)
        self._tables = make_schedule_tables(self.options.table_prefix)
        self._mine = self._tables.rows.c.namespace == namespace
        self._leader = self._tables.leaders.c.namespace == namespace

    def _prepare(self, conn: Connection) -> None:
        if self.options.create_tables:
            dialect, metadata = self._database.dialect, self._tables.metadata
            if not is_complete(conn, dialect, metadata):
                create_all(conn, dialect, metadata)
        self._database.dialect.before(conn, self._database.dialect.left(), read=False)
        with conn.begin():
            self._fence(conn)

    # -- rows ----------------------------------------------------------------------------------------------

    def read(self, names: Sequence[str] | None = None) -> Sequence[Row]:
        table = self._tables.rows
        if names is None:
            return self._select(sa.select(table).where(self._mine))
        found: list[Row] = []
        for at in range(0, len(names), _AT_ONCE):
            some = table.c.name.in_(names[at : at + _AT_ONCE])
            found += self._select(sa.select(table).where(self._mine, some))
        return found

    def _select(self, query: sa.Select[Any]) -> list[Row]:
        rows = self._database.transact(lambda conn: conn.execute(query).all(), read=True)
        found = []
        for row in rows:
            try:
                found.append(to_row(row))
            except msgspec.MsgspecError as exc:
                table = self._tables.rows.name
                _log.error("the row %r of %s is left out, it cannot be read: %s", row.name, table, exc)
        return found

    def save(self, rows: Sequence[Row]) -> Sequence[bool]:
        for row in rows:
            if len(row.entry.name) > NAME_LENGTH:
                raise self._faults.failed(f"a name has at most {NAME_LENGTH} characters here")
        return self._database.transact(lambda conn: self._save(conn, rows)) if rows else []

    def _save(self, conn: Connection, rows: Sequence[Row]) -> list[bool]:
        self._alone(conn)
        known = self._revisions(conn, [row.entry.name for row in rows])
        fits = [known.get(row.entry.name, 0) == row.revision for row in rows]
        for row, good in zip(rows, fits, strict=True):
            if good:
                self._put(conn, row)
        if any(fits):
            self._changed(conn)
        return fits

    def _put(self, conn: Connection, row: Row) -> None:
        table = self._tables.rows
        values = {
            **entry_columns(row.entry),
            **state_columns(row.state),
            "revision": row.revision + 1,
        }
        if row.revision:
            conn.execute(sa.update(table).where(self._mine, table.c.name == row.entry.name).values(values))
        else:
            keys = {"namespace": self.namespace, "name": row.entry.name}
            conn.execute(sa.insert(table).values({**keys, **values}))

    def remove(self, name: str, revision: int) -> bool:
        table = self._tables.rows
        those = (self._mine, table.c.name == name, table.c.revision == revision)

        def work(conn: Connection) -> bool:
            self._alone(conn)
            gone = conn.execute(sa.delete(table).where(*those)).rowcount > 0
            if gone:
                self._changed(conn)
            return gone

        return self._database.transact(work)

    # -- leading -------------------------------------------------------------------------------------------

    def lead(self, owner: str, lease: float) -> Lead:
        table, now = self._tables.leaders, clock(self._database.dialect)
        c = table.c
        free = sa.or_(c.owner == owner, c.owner == "", c.ends_at <= now)
        fence = sa.case((c.owner == owner, c.fence), else_=c.fence + 1)
        # In this order: MySQL reads what it has just set.
        values = ((c.fence, fence), (c.owner, owner), (c.ends_at, now + lease))
        take = sa.update(table).where(self._leader, free).ordered_values(*values)
        look = sa.select(c.owner, c.fence, c.version, (c.ends_at - now).label("rest")).where(self._leader)

        def work(conn: Connection) -> Lead:
            if conn.execute(take).rowcount == 0:
                self._fence(conn)
                conn.execute(take)
            found = conn.execute(look).one()
            mine = found.owner == owner
            return Lead(int(found.fence) if mine else None, max(0.0, float(found.rest)), int(found.version))

        return self._database.transact(work)

    def resign(self, owner: str) -> None:
        table = self._tables.leaders
        end = sa.update(table).where(self._leader, table.c.owner == owner).values(owner="")
        self._database.transact(lambda conn: conn.execute(end) and None)

    def advance(self, batch: Sequence[Advance], *, fence: int) -> Sequence[bool]:
        def work(conn: Connection) -> list[bool]:
            if self._alone(conn) != fence:
                return [False] * len(batch)
            known = self._revisions(conn, [one.name for one in batch])
            fits = [known.get(one.name) == one.revision for one in batch]
            self._write(conn, [one for one, good in zip(batch, fits, strict=True) if good])
            return fits

        return self._database.transact(work) if batch else []

    def _write(self, conn: Connection, batch: Sequence[Advance]) -> None:
        table = self._tables.rows
        statement = (
            sa.update(table)
            .where(self._mine, table.c.name == sa.bindparam("key"))
            .values(revision=sa.bindparam("next_revision"))
        )
        rows = [
            {**state_columns(one.state), "key": one.name, "next_revision": one.revision + 1} for one in batch
        ]
        if rows:
            conn.execute(statement.values({k: sa.bindparam(k) for k in state_columns(batch[0].state)}), rows)

    # -- inside a transaction ------------------------------------------------------------------------------

    def _alone(self, conn: Connection) -> int:
        """Let one writer at a time in, until the transaction ends; returns the newest fence."""
        return self._fence(conn, lock=True)

    def _fence(self, conn: Connection, *, lock: bool = False) -> int:
        """The newest fence; where the table is empty, or was emptied, a new row begins with 0."""
        table = self._tables.leaders
        query = sa.select(table.c.fence).where(self._leader)
        query = query.with_for_update() if lock else query
        found = conn.execute(query).scalar()
        if found is None:
            new = {"namespace": self.namespace, "owner": "", "fence": 0, "ends_at": 0.0, "version": 0}
            conn.execute(self._database.dialect.upsert(table, "namespace", sa.true()), new)
            found = conn.execute(query).scalar()
        return int(found or 0)

    def _revisions(self, conn: Connection, names: Sequence[str]) -> dict[str, int]:
        table = self._tables.rows
        found: dict[str, int] = {}
        for at in range(0, len(names), _AT_ONCE):
            some = table.c.name.in_(names[at : at + _AT_ONCE])
            query = sa.select(table.c.name, table.c.revision).where(self._mine, some)
            found.update({row.name: int(row.revision) for row in conn.execute(query)})
        return found

    def _changed(self, conn: Connection) -> None:
        table = self._tables.leaders
        conn.execute(sa.update(table).where(self._leader).values(version=table.c.version + 1))

    def close(self) -> None:
        self._database.close()

    def after_fork(self) -> None:
        self._database.after_fork()
