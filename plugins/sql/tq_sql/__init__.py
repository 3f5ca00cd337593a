"""Broker and result backend of tq on SQL databases, through SQLAlchemy Core.

SQLite is the embedded default (several processes, no server); PostgreSQL (psycopg 3), MySQL and MariaDB
(PyMySQL) run the same code with `SKIP LOCKED`.
"""

from __future__ import annotations

from tq_sql.backend import SqlBackend
from tq_sql.broker import SqlBroker

__all__ = ["SqlBackend", "SqlBroker"]
