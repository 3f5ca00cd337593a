"""Broker and result backend of tq on SQL databases, through SQLAlchemy Core.

SQLite is the embedded default (several processes, no server); PostgreSQL (psycopg 3), MySQL and MariaDB
(PyMySQL) run the same code with `SKIP LOCKED`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tq_sql.backend import SqlBackend
    from tq_sql.broker import SqlBroker
    from tq_sql.enqueue import enqueue_with
    from tq_sql.migration import upgrade

__all__ = ["SqlBackend", "SqlBroker", "enqueue_with", "upgrade"]
_WHERE = {
    "SqlBackend": "tq_sql.backend",
    "SqlBroker": "tq_sql.broker",
    "enqueue_with": "tq_sql.enqueue",
    "upgrade": "tq_sql.migration",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: the commands of this plugin are looked up where nobody uses a database."""
    if name not in _WHERE:
        raise AttributeError(f"module 'tq_sql' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_WHERE[name]), name)
