"""MySQL 8 and MariaDB 10.6 through PyMySQL: `SKIP LOCKED`, and looking now and then instead of a bell."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.mysql import insert as mysql_insert
from sqlalchemy.engine import Connection, Engine

from tq_sql.bell import Bell, PollingBell
from tq_sql.dialects.base import Claim, Dialect, candidates, counts_since
from tq_sql.tables import LENT, READY, Tables

_IDLE = 60
"""Seconds after which MySQL may end a connection that does nothing; the next use makes another."""


class Mysql(Dialect):
    # The session's time zone is UTC, or summer time would make an hour ambiguous.
    now = "UNIX_TIMESTAMP(SYSDATE(6))"
    asked = "UNIX_TIMESTAMP(NOW(6))"
    deletes_return = False

    def engine(self) -> Engine:
        engine = sa.create_engine(
            self.url,
            pool_size=self.options.pool_size,
            max_overflow=-1,
            pool_reset_on_return=None,
            # Arguments of tasks do not belong into tracebacks.
            hide_parameters=True,
            connect_args={
                "charset": "utf8mb4",
            },
        )
        event.listen(engine, "do_connect", self._connect)
        return engine

    def _connect(self, dialect: Any, record: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        from tq_sql.dialects.pymysql1 import PatientConnection

        seconds = max(1.0, self.connect_seconds())
        limits = {"connect_timeout": seconds, "read_timeout": seconds, "write_timeout": seconds}
        ends = self.call_ends()
        # One statement, for each is a round trip. The default isolation would lock gaps between rows, and two
        # publishers each other. MySQL has no limit for transactions alone, but one for connections that do nothing.
        setting = (
            "SET time_zone = '+00:00', autocommit = 0"
            f"/*M!100300 , tx_isolation = 'READ-COMMITTED', idle_transaction_timeout = {self.abandoned} */"
            f"/*!80000 , transaction_isolation = 'READ-COMMITTED', wait_timeout = {max(self.abandoned, _IDLE)} */"
        )
        connection = PatientConnection(*args, **{**kwargs, "init_command": setting, **limits})
        connection.be_patient(self.patience, ends)
        return connection

    def started(self, conn: Connection) -> None:
        # A larger packet makes the server hang up, and nobody knows why.
        raw: Any = conn.connection.driver_connection
        # Directly: for SQLAlchemy this would be a transaction, whose end is one more round trip.
        with raw.cursor() as cursor:
            cursor.execute("SELECT @@max_allowed_packet")
            self.largest = int(cursor.fetchone()[0]) - 4096

    def before(self, conn: Connection, seconds: float, *, read: bool) -> None:
        raw: Any = conn.connection.driver_connection
        raw.be_patient(self.patience, time.monotonic() + max(0.05, seconds))

    def bell(self, topic: str, *, shared: bool) -> Bell:
        return PollingBell()

    def ddl(self, conn: Connection, statements: Sequence[Any]) -> list[str]:
        """Indexes go into the statement of their table: there is no CREATE INDEX IF NOT EXISTS, and no transaction
        that would undo a table without its indexes."""
        tables: list[str] = []
        for statement in statements:
            (text,) = super().ddl(conn, [statement])
            if isinstance(statement, sa.schema.CreateIndex):
                text = text.replace(" IF NOT EXISTS", "")
                name, _, columns = text.removeprefix("CREATE INDEX ").partition(" ON ")
                body, end, rest = tables[-1].rpartition("\n)")
                text = f"{body}, \n\tKEY {name} ({columns.partition(' (')[2]}{end}{rest}"
                tables.pop()
            tables.append(text)
        return tables

    def script(self, conn: Connection, name: str, statements: Sequence[str]) -> None:
        # All may be run twice: processes that do so at the same time need no lock.
        raw: Any = conn.connection.driver_connection
        try:
            raw.script([*statements, "COMMIT"])
        except (OSError, raw.Error) as exc:
            conn.invalidate()
            raise sa.exc.OperationalError(f"create {name}", None, exc) from exc

    def among(self, column: sa.ColumnElement[int], key: str) -> sa.ColumnElement[bool]:
        return column.in_(sa.bindparam(key, expanding=True))

    def share(self, query: sa.Select[Any]) -> sa.Select[Any]:
        return query.with_for_update(read=True)

    def skip_locked(self, query: sa.Select[Any]) -> sa.Select[Any]:
        return query.with_for_update(skip_locked=True)

    def insert(self, conn: Connection, tables: Tables, rows: Sequence[dict[str, Any]]) -> None:
        # PyMySQL makes one statement of these.
        conn.exec_driver_sql(
            f"INSERT INTO {tables.messages.name} (queue, lane, payload) VALUES (%s, %s, %s)",
            [(row["queue"].encode(), row["lane"], row["payload"]) for row in rows],
        )

    def new_uniques(self, conn: Connection, tables: Tables, ids: Sequence[str], ttl: float) -> set[str]:
        statement = (
            f"INSERT IGNORE INTO {tables.uniques.name} (task_id, expires_at) VALUES (%s, {self.now} + %s)"
        )
        return {i for i in ids if conn.exec_driver_sql(statement, (i.encode(), ttl)).rowcount > 0}

    def insert_new(self, table: sa.Table) -> sa.Insert:
        return sa.insert(table).prefix_with("IGNORE")

    def claim(self, tables: Tables, queues: Sequence[str]) -> Claim:
        limit = sa.bindparam("limit", type_=sa.Integer)
        heads = [
            (candidates(self, tables, sa.bindparam("queue"), at, limit), {"queue": queue})
            for at, queue in enumerate(queues)
        ]
        m = tables.messages
        these = self.among(m.c.id, "ids")
        take = (
            sa.update(m)
            .where(these, m.c.state == READY)
            .values(
                state=LENT,
                holder=sa.bindparam("me"),
                due_at=counts_since(self, m.c.id == sa.bindparam("first", type_=sa.BigInteger)),
            )
        )
        read = sa.select(m.c.id, m.c.queue, m.c.lane, m.c.charged, m.c.payload).where(these)

        def claim(conn: Connection, me: int, limit: int) -> Sequence[Any]:
            rows: list[Any] = []
            for query, queue in heads:
                rows += conn.execute(query, {**queue, "limit": limit}).all()
            rows.sort(key=lambda row: (row.lane, row.turn, row.id))
            ids = list(_within(rows[:limit], self.options.fetch_bytes))
            if not ids:
                return ()
            conn.execute(take, {"ids": ids, "me": me, "first": ids[0]})
            return conn.execute(read, {"ids": ids}).all()

        return claim

    def upsert(self, table: sa.Table, key: str, keep: sa.ColumnElement[bool]) -> sa.Insert:
        statement = mysql_insert(table)
        names = [c.name for c in table.c if c.name not in ("id", key)]
        kept = {c.name for c in keep.get_children() if isinstance(c, sa.Column)}
        # Assigned from left to right: what the condition reads has to come last.
        names.sort(key=lambda name: name in kept)
        return statement.on_duplicate_key_update(
            [(name, sa.func.if_(keep, table.c[name], statement.inserted[name])) for name in names]
        )


def _within(rows: Iterable[Any], size: int) -> Iterable[int]:
    """Ids, until the rows before have that many bytes."""
    before = 0
    for row in rows:
        if before >= size:
            return
        before += row.size
        yield row.id
