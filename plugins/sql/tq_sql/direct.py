"""Statements of the hot path, handed to the driver: what SQLAlchemy does around one costs as much as SQLite takes for
thirty rows. Each runs in the connection's transaction, and raises SQLAlchemy's errors as `exec_driver_sql` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


@contextmanager
def cursor_of(conn: Connection, statement: str) -> Iterator[Any]:
    """A cursor of the driver; `statement` is for errors, which never show values."""
    proxy, dialect = conn.connection, conn.dialect
    cursor: Any = None
    try:
        with closing(proxy.cursor()) as cursor:
            yield cursor
    except dialect.loaded_dbapi.Error as exc:
        lost = dialect.is_disconnect(exc, proxy, cursor)
        error = sa.exc.DBAPIError.instance(
            statement,
            None,
            exc,
            dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=lost,
            dialect=dialect,
        )
        if lost:
            # Or the end of the transaction fails next, and what it says hides this.
            conn.invalidate(exc)
        raise error from exc


def rows_of(conn: Connection, statement: str, values: Any = None) -> Sequence[Any]:
    """All rows, as tuples."""
    with cursor_of(conn, statement) as cursor:
        cursor.execute(statement, values or ())
        found: Sequence[Any] = cursor.fetchall()
        return found


def change(conn: Connection, statement: str, values: Any = None) -> int:
    """How many rows were changed."""
    with cursor_of(conn, statement) as cursor:
        cursor.execute(statement, values or ())
        return int(cursor.rowcount)


def change_each(conn: Connection, statement: str, values: Sequence[Sequence[Any]]) -> int:
    """The same for several values, one after the other."""
    with cursor_of(conn, statement) as cursor:
        cursor.executemany(statement, values)
        return int(cursor.rowcount)
