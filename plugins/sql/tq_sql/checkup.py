"""What about a database's set-up may lose messages or results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tq.contracts.findings import of_clock
from tq.options import mask_url
from tq.records import Finding, Severity
from tq_sql.dialects import Dialect, clock
from tq_sql.urls import Address

OLDEST_POSTGRESQL: Final = 12


def check_up(dialect: Dialect, address: Address) -> Callable[[Connection], list[Finding]]:
    """The transaction that asks a database about itself. SQLite is a file of this machine: nothing to ask."""
    shown = mask_url(address.own)

    def ask(conn: Connection) -> list[Finding]:
        if conn.dialect.name == "sqlite":
            return []
        before = time.time()
        theirs = float(conn.execute(sa.select(clock(dialect))).scalar_one())
        found = of_clock(f"the database at {shown}", theirs, before, time.time())
        if conn.dialect.name == "postgresql":
            found += _postgresql(conn, shown)
        return found

    return ask


def _postgresql(conn: Connection, shown: str) -> Iterator[Finding]:
    version = int(conn.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10000
    if version < OLDEST_POSTGRESQL:
        yield Finding(
            Severity.ERROR,
            f"PostgreSQL at {shown} is version {version}",
            f"upgrade it to {OLDEST_POSTGRESQL} or newer",
        )
    losses = (
        ("fsync", Severity.ERROR, "a crash of its machine may destroy the database"),
        ("synchronous_commit", Severity.WARNING, "a crash loses what it accepted in the last moments"),
    )
    for setting, severity, loss in losses:
        if conn.exec_driver_sql(f"SHOW {setting}").scalar_one() == "off":
            yield Finding(
                severity,
                f"PostgreSQL at {shown} runs with {setting} off: {loss}",
                f"set {setting} = on in postgresql.conf, for this user and for this database",
            )
