"""Making tables, and bringing older ones up to date: one question, and one script for all that is missing.

A transaction is a conversation, and over a slow line a table at a time takes longer than a publish may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc as sa_exc
from sqlalchemy.engine import Connection
from sqlalchemy.engine.mock import MockConnection

from tq_sql.dialects import Dialect
from tq_sql.faults import Faults, is_about_structure
from tq_sql.results import TASKS
from tq_sql.tables import VERSION, Tables

Step = Callable[[Connection, Dialect, Tables], list[str]]


def ensure_tables(
    conn: Connection, dialect: Dialect, tables: Tables, faults: Faults, *, create: bool
) -> None:
    """Create what is missing. Raises a `BrokerError` for tables of another version."""
    found = version_of(conn, dialect, tables)
    if found is None and create:
        create_all(conn, dialect, tables.metadata, _stamp(conn, tables))
        found = VERSION
    if found is None:
        raise faults.failed(
            f"it has no table {tables.schema.name}; run `tq sql upgrade` once, or start once with "
            "create_tables=true, as a user that may create tables"
        )
    if found < VERSION:
        raise faults.failed(
            f"its tables {_names(tables)} are of version {found}, and this tq-sql needs {VERSION}: run "
            "`tq sql upgrade` once, as a user that may create tables"
        )
    if found > VERSION:
        raise faults.failed(
            f"its tables {_names(tables)} are of version {found}, and this tq-sql knows {VERSION}: install the "
            "tq-sql that made them, or choose another table_prefix"
        )


def upgrade(conn: Connection, dialect: Dialect, tables: Tables) -> tuple[int, int]:
    """Bring tables up to date, or make them; the version before (0: there were none) and now."""
    before = version_of(conn, dialect, tables)
    if before is None:
        create_all(conn, dialect, tables.metadata, _stamp(conn, tables))
    for version in range(VERSION if before is None else before, VERSION):
        statements = _STEPS[version](conn, dialect, tables)
        stamp = f"UPDATE {tables.schema.name} SET version = {version + 1} WHERE version = {version}"
        run_script(conn, dialect, tables.schema.name, [*statements, stamp])
    return before or 0, version_of(conn, dialect, tables) or 0


def version_of(conn: Connection, dialect: Dialect, tables: Tables) -> int | None:
    """The version of the tables, or None where there are none; one question, without any lock."""
    row = probe(conn, dialect, sa.select(sa.func.max(tables.schema.c.version)))
    return None if row is None or row[0] is None else int(row[0])


def probe(conn: Connection, dialect: Dialect, query: sa.Select[Any]) -> sa.Row[Any] | None:
    """The first row of a query, or None where a table or a column that it names is missing."""
    dialect.before(conn, dialect.left(), read=True)
    try:
        with conn.begin():
            return conn.execute(query).one()
    except sa_exc.DBAPIError as exc:
        if is_about_structure(exc):
            return None
        raise


def is_complete(conn: Connection, dialect: Dialect, metadata: sa.MetaData) -> bool:
    """Whether all tables are there with all columns."""
    nothing = [
        sa.select(sa.func.count())
        .select_from(sa.select(*table.c).where(sa.false()).subquery(f"t{at}"))
        .scalar_subquery()
        for at, table in enumerate(metadata.sorted_tables)
    ]
    return probe(conn, dialect, sa.select(*nothing)) is not None


def create_all(conn: Connection, dialect: Dialect, metadata: sa.MetaData, more: Sequence[str] = ()) -> None:
    """Create the tables that are missing, then run `more`, as one script; harmless if others do the same."""
    run_script(conn, dialect, min(metadata.tables), [*_creation(conn, dialect, metadata.create_all), *more])


def missing_columns(conn: Connection) -> list[str]:
    """Statements that add the columns that older Celery's table of results lacks."""
    quote = conn.dialect.identifier_preparer.quote
    with conn.begin():
        there = {column["name"] for column in sa.inspect(conn).get_columns(TASKS.name)}
    return [
        f"ALTER TABLE {quote(TASKS.name)} ADD COLUMN {quote(column.name)} {column.type.compile(conn.dialect)}"
        for column in TASKS.c
        if column.name not in there
    ]


def run_script(conn: Connection, dialect: Dialect, name: str, statements: Sequence[str]) -> None:
    """Run these one after the other in one transaction (MySQL has none for tables)."""
    dialect.before(conn, dialect.left(), read=False)
    dialect.script(conn, name, statements)


def _creation(conn: Connection, dialect: Dialect, create: Callable[..., None]) -> list[str]:
    """What SQLAlchemy would send to create these, as text, in a form that may be sent again."""
    statements: list[Any] = []

    def gather(statement: Any, *_: Any, **__: Any) -> None:
        statement.if_not_exists = True
        statements.append(statement)

    create(MockConnection(conn.dialect, gather), checkfirst=False)
    return dialect.ddl(conn, statements)


def _stamp(conn: Connection, tables: Tables) -> list[str]:
    """Note the version, unless it is there; another process may do the same at this moment."""
    name = tables.schema.name
    new = f"SELECT version FROM (SELECT {VERSION} AS version) AS it WHERE NOT EXISTS (SELECT 1 FROM {name})"
    if conn.dialect.name in ("mysql", "mariadb"):
        return [f"INSERT IGNORE INTO {name} (version) {new}"]
    return [f"INSERT INTO {name} (version) {new} ON CONFLICT DO NOTHING"]


def _names(tables: Tables) -> str:
    return f"{tables.schema.name.removesuffix('schema')}*"


def _add_locks(conn: Connection, dialect: Dialect, tables: Tables) -> list[str]:
    """1 to 2: locks of unique tasks."""
    return _creation(conn, dialect, tables.locks.create)


def _add_announcements(conn: Connection, dialect: Dialect, tables: Tables) -> list[str]:
    """2 to 3: announcements."""
    return _creation(conn, dialect, tables.announcements.create)


_STEPS: Final[dict[int, Step]] = {1: _add_locks, 2: _add_announcements}
"""By the version that they start from."""
