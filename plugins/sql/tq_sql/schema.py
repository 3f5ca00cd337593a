"""Making the broker's tables, once, however many processes start at the same time."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tq_sql.dialects import Dialect
from tq_sql.faults import Faults
from tq_sql.tables import VERSION, Tables


def ensure_tables(
    conn: Connection, dialect: Dialect, tables: Tables, faults: Faults, *, create: bool
) -> None:
    """Create what is missing. Raises a `BrokerError` for tables of another version.

    A later version migrates here, from the number that it finds.
    """
    found = _version(conn, tables)
    if found is None and create:
        create_all(conn, dialect, tables.metadata, lambda: _stamp(conn, tables))
        found = _version(conn, tables)
    if found is None:
        raise faults.failed(
            f"it has no table {tables.schema.name}; start once with create_tables=true and a user that may"
        )
    if found != VERSION:
        raise faults.failed(
            f"its tables {tables.schema.name.removesuffix('schema')}* are of version {found} and this tq-sql "
            f"knows {VERSION}; use the same version of tq-sql everywhere, or another table_prefix"
        )


def create_all(conn: Connection, dialect: Dialect, metadata: sa.MetaData, then: Callable[[], None]) -> None:
    """Create the tables that are missing, and call `then`, while nobody else does."""
    name = min(metadata.tables)
    with conn.begin():
        dialect.create_lock(conn, name)
        try:
            metadata.create_all(conn)
            then()
        finally:
            if not conn.invalidated:
                dialect.create_unlock(conn, name)


def _stamp(conn: Connection, tables: Tables) -> None:
    if conn.execute(sa.select(tables.schema.c.version)).first() is None:
        conn.execute(sa.insert(tables.schema), {"version": VERSION})


def _version(conn: Connection, tables: Tables) -> int | None:
    """The version of the tables; a look without any lock, so that only the first start needs rights."""
    with conn.begin():
        if not sa.inspect(conn).has_table(tables.schema.name):
            return None
        return conn.execute(sa.select(tables.schema.c.version)).scalar()
