"""SQLite in WAL mode: one file, several processes on one machine."""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import QueuePool

from tq_sql.bell import Bell
from tq_sql.dialects.base import Claim, Dialect, Ready
from tq_sql.dialects.pysqlite import DRIVER, File
from tq_sql.direct import change, change_each, cursor_of
from tq_sql.doorbell import DoorBell
from tq_sql.gate import SQLITE
from tq_sql.tables import Tables

WAL_LIMIT = 64 * 1024 * 1024


class Sqlite(Dialect):
    connection_for_each_thread = True
    now = "(julianday('now') - 2440587.5) * 86400.0"
    asked = now

    @property
    def path(self) -> Path:
        return Path(self.url.database or "")

    def inside(self, seconds: float) -> AbstractContextManager[None]:
        return SQLITE.passed(seconds)

    def engine(self) -> Engine:
        engine = sa.create_engine(
            self.url.set(drivername=DRIVER),
            poolclass=QueuePool,
            pool_size=self.options.pool_size,
            max_overflow=-1,
            pool_reset_on_return=None,
            # Arguments of tasks do not belong into tracebacks.
            hide_parameters=True,
            connect_args={
                "timeout": self.options.socket_timeout,
                "check_same_thread": False,
                "factory": File,
            },
        )
        event.listen(engine, "connect", self._connected)
        return engine

    def _connected(self, connection: Any, record: Any) -> None:
        # Python's own BEGIN would come before some statements and not before others.
        connection.isolation_level = None
        _write_ahead(connection, self.options.socket_timeout)
        connection.execute(f"PRAGMA synchronous={self.options.synchronous}")
        connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT}")
        connection.execute("PRAGMA temp_store=MEMORY")

    def prepare_folder(self) -> None:
        """Make the folder of the file, one level deep, invisible to git."""
        folder = self.path.parent
        if not folder.exists() and folder.parent.is_dir():
            folder.mkdir(exist_ok=True)
            (folder / ".gitignore").write_text("*\n")

    def bell(self, topic: str, *, shared: bool) -> Bell:
        return DoorBell(self.path, topic, shared=shared)

    def among(self, column: sa.ColumnElement[int], key: str) -> sa.ColumnElement[bool]:
        values = sa.func.json_each(sa.bindparam(key, type_=sa.Text)).table_valued("value")
        return column.in_(sa.select(values.c.value))

    def ids(self, ids: Sequence[int]) -> Any:
        return json.dumps(list(ids))

    def before(self, conn: Connection, seconds: float, *, read: bool, alone: bool = False) -> None:
        file: Any = conn.connection.driver_connection
        file.reads = read
        # Rounded, so that the same limit is not set again and again.
        file.wait_for_writers(max(50, round(seconds * 10) * 100))

    def insert(self, conn: Connection, tables: Tables, rows: Sequence[Ready]) -> None:
        change_each(conn, f"INSERT INTO {tables.messages.name} (queue, lane, payload) VALUES (?, ?, ?)", rows)

    def remove(self, conn: Connection, tables: Tables, me: int, ids: Sequence[int]) -> int:
        # A holder with a plus is not looked up in its index, which would be changed under the statement's feet.
        return change_each(
            conn,
            f"DELETE FROM {tables.messages.name} WHERE id BETWEEN ? AND ? AND +holder = ?",
            [(first, last, me) for first, last in runs(ids)],
        )

    def new_uniques(self, conn: Connection, tables: Tables, ids: Sequence[str], ttl: float) -> set[str]:
        return set(conn.execute(_remember(tables), {"ids": json.dumps(list(ids)), "ttl": ttl}).scalars())

    def insert_new(self, table: sa.Table) -> sa.Insert:
        return sqlite_insert(table).on_conflict_do_nothing()

    def claim(self, tables: Tables, queues: Sequence[str]) -> Claim:
        # The transaction keeps all other writers out, so that nobody comes between these statements.
        name, size = tables.messages.name, self.options.fetch_bytes
        read = (
            f"SELECT id, queue, lane, charged, payload FROM {name} WHERE queue = ? AND state = 0 "
            "ORDER BY lane, id LIMIT ?"
        )
        lend = f"UPDATE {name} SET state = 2, holder = ?, due_at = %s WHERE id BETWEEN ? AND ?"
        counts, waits = lend % self.now, lend % "NULL"

        def claim(conn: Connection, me: int, limit: int) -> Sequence[Any]:
            with ExitStack() as stack:
                heads = [stack.enter_context(cursor_of(conn, read)) for _ in queues]
                for head, queue in zip(heads, queues, strict=True):
                    head.execute(read, (queue, limit))
                taken, left = [], size
                for row in islice(_merged(heads), limit):
                    taken.append(row)
                    left -= len(row[4])
                    if left <= 0:
                        break
            if taken:
                change(conn, counts, (me, taken[0][0], taken[0][0]))
                others = runs([row[0] for row in taken[1:]])
                change_each(conn, waits, [(me, first, last) for first, last in others])
            return taken

        return claim

    def upsert(self, table: sa.Table, key: str, keep: sa.ColumnElement[bool]) -> sa.Insert:
        statement = sqlite_insert(table)
        return statement.on_conflict_do_update(
            index_elements=[key],
            set_={c.name: statement.excluded[c.name] for c in table.c if c.name not in ("id", key)},
            where=~keep,
        )


def runs(ids: Iterable[int]) -> list[tuple[int, int]]:
    """The same ids as pairs of a first and a last one: what came together lies together, and is one search instead of
    many."""
    ordered = sorted(ids)
    starts = [at for at, each in enumerate(ordered) if at == 0 or each != ordered[at - 1] + 1]
    ends = [*starts[1:], len(ordered)][: len(starts)]
    return [(ordered[start], ordered[end - 1]) for start, end in zip(starts, ends, strict=True)]


def _merged(heads: Sequence[Iterable[Any]]) -> Iterator[Any]:
    """Rows of several queues, each in order, in the order in which they are handed out; no row is read too early."""
    if len(heads) == 1:
        return iter(heads[0])

    def keyed(turn: int, head: Iterable[Any]) -> Iterator[tuple[tuple[int, int, int], Any]]:
        return (((row[2], turn, row[0]), row) for row in head)

    return (row for _, row in heapq.merge(*(keyed(turn, head) for turn, head in enumerate(heads))))


def _remember(tables: Tables) -> Any:
    values = sa.func.json_each(sa.bindparam("ids", type_=sa.Text)).table_valued("value")
    ends = sa.literal_column(Sqlite.now, sa.Double) + sa.bindparam("ttl", type_=sa.Double)
    # The WHERE keeps the parser from reading ON CONFLICT as a join.
    rows = sa.select(values.c.value, ends).where(sa.true())
    c = tables.uniques.c
    return (
        sqlite_insert(tables.uniques)
        .from_select([c.task_id, c.expires_at], rows)
        .on_conflict_do_nothing()
        .returning(c.task_id)
    )


def _write_ahead(connection: Any, timeout: float) -> None:
    """Switch to WAL; SQLite does not wait for others here, so that several first starts need a loop."""
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    deadline = time.monotonic() + timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except connection.OperationalError as exc:
            if "locked" not in str(exc) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
