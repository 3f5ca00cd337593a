"""`tq sql upgrade`: make tables, or bring those of an older tq-sql up to date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy.engine import Connection

from tq.options import parse_options
from tq_sql.database import Database
from tq_sql.faults import broker_faults
from tq_sql.options import SqlOptions
from tq_sql.results import metadata as results
from tq_sql.schedule_tables import make_schedule_tables
from tq_sql.schema import create_all, ensure_tables, is_complete, missing_columns, run_script
from tq_sql.schema import upgrade as upgrade_tables
from tq_sql.tables import VERSION, make_tables
from tq_sql.urls import read_url

PATIENCE = 3600.0
"""Seconds that a statement may take: an old table may be large."""


class Upgrade(msgspec.Struct, frozen=True):
    """Versions of the tables before (0: there were none) and after."""

    before: int
    after: int = VERSION


def upgrade(url: str, options: Mapping[str, Any] | None = None) -> Upgrade:
    """Make or upgrade all tables of tq in the database of a broker's or backend's URL.

    Harmless where all is up to date, and while workers of the same version run. Raises `BrokerError`.
    """
    address = read_url(url)
    chosen: SqlOptions = parse_options(SqlOptions, address.own, options or {})
    chosen = msgspec.structs.replace(chosen, socket_timeout=PATIENCE)
    found: list[Upgrade] = []

    def prepare(conn: Connection) -> None:
        dialect = database.dialect
        tables = make_tables(chosen.table_prefix, dialect.now)
        before, after = upgrade_tables(conn, dialect, tables)
        # Refuses tables that a newer tq-sql has made.
        ensure_tables(conn, dialect, tables, database.faults, create=False)
        for others in (results, make_schedule_tables(chosen.table_prefix).metadata):
            if not is_complete(conn, dialect, others):
                create_all(conn, dialect, others)
        if more := missing_columns(conn):
            run_script(conn, dialect, "celery_taskmeta", more)
        found.append(Upgrade(before, after))

    database = Database(address, chosen, broker_faults(url), prepare)
    try:
        database.limits(PATIENCE)
    finally:
        database.close()
    return found[0]


def version(url: str, options: Mapping[str, Any] | None = None) -> int | None:
    """The version of the tables of the broker, None where there are none. Raises `BrokerError`."""
    from tq_sql.schema import version_of

    address = read_url(url)
    chosen: SqlOptions = parse_options(SqlOptions, address.own, options or {})
    found: list[int | None] = []

    def prepare(conn: Connection) -> None:
        dialect = database.dialect
        found.append(version_of(conn, dialect, make_tables(chosen.table_prefix, dialect.now)))

    database = Database(address, chosen, broker_faults(url), prepare)
    try:
        database.limits(chosen.socket_timeout)
    finally:
        database.close()
    return found[0]
