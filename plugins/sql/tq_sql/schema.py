"""Making the broker's tables, once, however many processes start at the same time."""

from __future__ import annotations

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
        with conn.begin():
            dialect.create_lock(conn, tables.schema.name)
            tables.metadata.create_all(conn)
            if conn.execute(sa.select(tables.schema.c.version)).first() is None:
                conn.execute(sa.insert(tables.schema), {"version": VERSION})
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


def _version(conn: Connection, tables: Tables) -> int | None:
    """The version of the tables; a look without any lock, so that only the first start needs rights."""
    with conn.begin():
        if not sa.inspect(conn).has_table(tables.schema.name):
            return None
        return conn.execute(sa.select(tables.schema.c.version)).scalar()
