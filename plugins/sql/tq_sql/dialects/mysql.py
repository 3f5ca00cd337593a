"""MySQL 8 and MariaDB 10.6 through PyMySQL: `SKIP LOCKED`, and looking now and then instead of a bell."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.mysql import insert as mysql_insert
from sqlalchemy.engine import Connection, Engine

from tq.errors import EncodeError
from tq_sql.bell import Bell, PollingBell
from tq_sql.dialects.base import Claim, Dialect, Ready
from tq_sql.direct import change, rows_of
from tq_sql.tables import Tables

_IDLE = 60
"""Seconds after which MySQL may end a connection that does nothing; the next use makes another."""
_SMALL = 4096
"""Bytes of a payload that is read while its message is still to be chosen."""
_STATEMENT = 500_000
"""Bytes of the payloads of an INSERT, which holds at least one; in hexadecimal they are twice as many."""


class Mysql(Dialect):
    # The session's time zone is UTC, or summer time would make an hour ambiguous.
    now = "UNIX_TIMESTAMP(SYSDATE(6))"
    asked = "UNIX_TIMESTAMP(NOW(6))"
    deletes_return = False
    shared = " LOCK IN SHARE MODE"

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
        event.listen(engine, "before_cursor_execute", self._measure)
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

    def _measure(
        self, conn: Any, cursor: Any, statement: str, values: Any, context: Any, executemany: bool
    ) -> None:
        """A larger row makes the server hang up, and whoever stores it would try again for ever."""
        if self.largest is None:
            return
        for row in values if executemany else (values,):
            found = row.values() if isinstance(row, dict) else row
            size = sum(len(value) for value in found if isinstance(value, (str, bytes)))
            if size > self.largest:
                raise EncodeError(
                    f"{size} bytes in one row are more than the server takes; raise its max_allowed_packet"
                )

    def started(self, conn: Connection) -> None:
        # A larger packet makes the server hang up, and nobody knows why.
        raw: Any = conn.connection.driver_connection
        # Directly: for SQLAlchemy this would be a transaction, whose end is one more round trip.
        with raw.cursor() as cursor:
            cursor.execute("SELECT @@max_allowed_packet")
            # Payloads are written in hexadecimal.
            self.largest = (int(cursor.fetchone()[0]) - 4096) // 2

    def before(self, conn: Connection, seconds: float, *, read: bool, alone: bool = False) -> None:
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

    def skip_locked(self, query: sa.Select[Any]) -> sa.Select[Any]:
        return query.with_for_update(skip_locked=True)

    def insert(self, conn: Connection, tables: Tables, rows: Sequence[Ready]) -> None:
        # Payloads are parameters, which errors leave out; the others are written once for all rows of a queue.
        heads = {row[:2]: f"(X'{row[0].encode().hex()}',{row[1]:d},%s)" for row in rows}
        for some in _statements(rows):
            values = ",".join([heads[row[:2]] for row in some])
            change(
                conn,
                f"INSERT INTO {tables.messages.name} (queue, lane, payload) VALUES {values}",
                tuple([row[2] for row in some]),
            )

    def remove(self, conn: Connection, tables: Tables, me: int, ids: Sequence[int]) -> int:
        return change(
            conn, f"DELETE FROM {tables.messages.name} WHERE id IN ({_list(ids)}) AND holder = {me:d}"
        )

    def new_uniques(self, conn: Connection, tables: Tables, ids: Sequence[str], ttl: float) -> set[str]:
        statement = (
            f"INSERT IGNORE INTO {tables.uniques.name} (task_id, expires_at) VALUES (%s, {self.now} + %s)"
        )
        return {i for i in ids if change(conn, statement, (i.encode(), ttl)) > 0}

    def insert_new(self, table: sa.Table) -> sa.Insert:
        return sa.insert(table).prefix_with("IGNORE")

    def claim(self, tables: Tables, queues: Sequence[str]) -> Claim:
        name, size = tables.messages.name, self.options.fetch_bytes

        def heads(limit: int) -> str:
            small = max(_SMALL, size // limit)
            return (
                f"SELECT id, lane, charged, IF(LENGTH(payload) <= {small:d}, payload, NULL) "
                f"FROM {name} WHERE queue = %s AND state = 0 ORDER BY lane, id LIMIT {limit:d} "
                "FOR UPDATE SKIP LOCKED"
            )

        def claim(conn: Connection, me: int, limit: int) -> Sequence[Any]:
            found = [
                (row[1], turn, row[0], queue, row)
                for turn, queue in enumerate(queues)
                for row in rows_of(conn, heads(limit), (queue.encode(),))
            ]
            if len(queues) > 1:
                found.sort(key=lambda each: each[:3])
            large = [each[2] for each in found[:limit] if each[4][3] is None]
            sizes = dict(_of(conn, name, "LENGTH(payload)", large)) if large else {}
            chosen, left = [], size
            for each in found[:limit]:
                if left <= 0:
                    break
                chosen.append(each)
                left -= sizes[each[2]] if each[4][3] is None else len(each[4][3])
            if not chosen:
                return ()
            ids = [each[2] for each in chosen]
            change(
                conn,
                f"UPDATE {name} SET state = 2, holder = {me:d}, due_at = IF(id = {ids[0]:d}, {self.now}, NULL) "
                f"WHERE id IN ({_list(ids)}) AND state = 0",
            )
            large = [each for each in ids if each in sizes]
            payloads = dict(_of(conn, name, "payload", large)) if large else {}
            return [
                (key, queue, lane, row[2], payloads[key] if row[3] is None else row[3])
                for lane, _, key, queue, row in chosen
            ]

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


def _list(ids: Sequence[int]) -> str:
    return ",".join([f"{each:d}" for each in ids])


def _of(conn: Connection, name: str, what: str, ids: Sequence[int]) -> Sequence[tuple[int, Any]]:
    """Ids, each with this expression."""
    found: Sequence[tuple[int, Any]] = rows_of(
        conn, f"SELECT id, {what} FROM {name} WHERE id IN ({_list(ids)})"
    )
    return found


def _statements(rows: Sequence[Ready]) -> Iterator[Sequence[Ready]]:
    """Parts of these that are no longer than a statement should be."""
    start, length = 0, 0
    for at, row in enumerate(rows):
        if at > start and length + len(row[2]) > _STATEMENT:
            yield rows[start:at]
            start, length = at, 0
        length += len(row[2])
    yield rows[start:]
