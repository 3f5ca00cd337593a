"""SQLAlchemy's dialect for SQLite, with transactions that say at their start whether they will write."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

DRIVER = "sqlite+tq"


class File(sqlite3.Connection):
    """A connection, and how its next transaction shall begin."""

    reads: bool = False
    """The next transaction only reads, and so never waits for a writer."""
    patience: int = 0
    """Milliseconds to wait for other writers."""

    def wait_for_writers(self, milliseconds: int) -> None:
        """Set the limit, where it is another one than before."""
        if milliseconds != self.patience:
            self.execute(f"PRAGMA busy_timeout={milliseconds}")
            self.patience = milliseconds


class ImmediateDialect(SQLiteDialect_pysqlite):
    """A deferred BEGIN would let two writers read, of whom only one can go on."""

    supports_statement_cache = True

    def do_begin(self, dbapi_connection: Any) -> None:
        file: File = dbapi_connection.driver_connection
        file.execute("BEGIN" if file.reads else "BEGIN IMMEDIATE")


registry.register("sqlite.tq", __name__, ImmediateDialect.__name__)
