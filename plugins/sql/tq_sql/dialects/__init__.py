"""One module for each kind of database."""

from __future__ import annotations

from sqlalchemy.engine import URL

from tq_sql.dialects.base import Claim, Dialect, Ready, asked, clock
from tq_sql.options import SqlOptions

__all__ = ["Claim", "Dialect", "Ready", "asked", "clock", "dialect_of"]


def dialect_of(name: str, url: URL, options: SqlOptions) -> Dialect:
    """The dialect of that name; its module is loaded only when it is used."""
    if name == "sqlite":
        from tq_sql.dialects.sqlite import Sqlite

        return Sqlite(url, options)
    if name == "postgresql":
        from tq_sql.dialects.postgresql import Postgresql

        return Postgresql(url, options)
    from tq_sql.dialects.mysql import Mysql

    return Mysql(url, options)
