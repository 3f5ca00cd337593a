"""The broker's tables.

A message is one row from its publish to its end; `state` says where it is. `lane` is 9 minus the priority, so
that one ascending index serves the order of delivery on every database. `due_at` says of a delayed message when it
becomes ready, and of one that is lent since when it counts as running without a heartbeat that says so: set in the
first of each batch, cleared by the next heartbeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator

VERSION: Final = 3
"""Of the tables; grows with every change to them, and `schema.py` has the step to it."""

READY: Final = sa.literal_column("0", sa.SmallInteger)
DELAYED: Final = sa.literal_column("1", sa.SmallInteger)
LENT: Final = sa.literal_column("2", sa.SmallInteger)
DEAD: Final = sa.literal_column("3", sa.SmallInteger)
# Literals, not parameters: only then does a planner see that a partial index fits.

NAME_LENGTH: Final = 255


def storable(text: str) -> str:
    """Text as each of these databases takes it: PostgreSQL has no NUL, and half a surrogate pair has no bytes."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def is_storable(text: str) -> bool:
    """Whether a name can be kept as it is."""
    return storable(text) == text


def plain(name: str) -> sa.quoted_name:
    """A table's name without quotes in all statements, since some are written by hand: PostgreSQL folds both alike."""
    return sa.quoted_name(name, quote=False)


class Name(TypeDecorator[str]):
    """Exact text. MySQL's text types ignore case or trailing blanks in comparisons; bytes do not."""

    impl = sa.String
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.VARBINARY(NAME_LENGTH * 4))
        return dialect.type_descriptor(sa.String(NAME_LENGTH))

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> Any:
        if value is not None and dialect.name in ("mysql", "mariadb"):
            return value.encode()
        return value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:
        return value.decode() if isinstance(value, bytes) else value


_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BLOB = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
_KIND: dict[str, Any] = {
    # Ids are never used twice, or a late acknowledgement would hit another message.
    "sqlite_autoincrement": True,
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
}


@dataclass(frozen=True)
class Tables:
    """The tables under one prefix."""

    metadata: sa.MetaData
    messages: sa.Table
    consumers: sa.Table
    uniques: sa.Table
    locks: sa.Table
    revocations: sa.Table
    announcements: sa.Table
    schema: sa.Table


def make_tables(prefix: str, now: str) -> Tables:
    """Describe the tables; `now` is SQL for unix seconds by the store's clock."""
    metadata = sa.MetaData()
    return Tables(
        metadata,
        _messages(metadata, prefix, now),
        _consumers(metadata, prefix),
        _uniques(metadata, prefix),
        _locks(metadata, prefix),
        _revocations(metadata, prefix),
        _announcements(metadata, prefix, now),
        sa.Table(
            plain(f"{prefix}schema"), metadata, sa.Column("version", sa.Integer, primary_key=True), **_KIND
        ),
    )


def _messages(metadata: sa.MetaData, prefix: str, now: str) -> sa.Table:
    table = sa.Table(
        plain(f"{prefix}messages"),
        metadata,
        sa.Column("id", _BIG, primary_key=True, autoincrement=True),
        sa.Column("queue", Name, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("lane", sa.SmallInteger, nullable=False),
        sa.Column("holder", _BIG),
        sa.Column("charged", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("enqueued_at", sa.Double, nullable=False, server_default=sa.text(f"({now})")),
        sa.Column("due_at", sa.Double),
        sa.Column("died_at", sa.Double),
        sa.Column("reason", _TEXT),
        sa.Column("payload", _BLOB, nullable=False),
        **_KIND,
    )
    c = table.c
    _index(f"{prefix}ready", c.state == READY, c.queue, c.state, c.lane, c.id)
    _index(f"{prefix}delayed", c.state == DELAYED, c.due_at, c.queue)
    _index(f"{prefix}lent", c.holder.is_not(None), c.holder)
    _index(f"{prefix}dead", c.state == DEAD, c.queue, c.died_at)
    return table


def _index(name: str, rows: sa.ColumnElement[bool], *columns: sa.Column[Any]) -> None:
    sa.Index(name, *columns, sqlite_where=rows, postgresql_where=rows)


def _consumers(metadata: sa.MetaData, prefix: str) -> sa.Table:
    return sa.Table(
        plain(f"{prefix}consumers"),
        metadata,
        sa.Column("id", _BIG, primary_key=True, autoincrement=True),
        sa.Column("name", Name, nullable=False, unique=True),
        sa.Column("deadline", sa.Double, nullable=False),
        sa.Column("queues", _TEXT, nullable=False),
        sa.Column("running", _TEXT, nullable=False),
        **_KIND,
    )


def _uniques(metadata: sa.MetaData, prefix: str) -> sa.Table:
    table = sa.Table(
        plain(f"{prefix}uniques"),
        metadata,
        sa.Column("task_id", Name, primary_key=True),
        sa.Column("expires_at", sa.Double, nullable=False),
        **{**_KIND, "sqlite_autoincrement": False},
    )
    sa.Index(f"{prefix}expiry", table.c.expires_at)
    return table


def _locks(metadata: sa.MetaData, prefix: str) -> sa.Table:
    """`name` holds queue and key; `owner` the id of a task."""
    table = sa.Table(
        plain(f"{prefix}locks"),
        metadata,
        sa.Column("name", Name, primary_key=True),
        sa.Column("owner", Name, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        **{**_KIND, "sqlite_autoincrement": False},
    )
    sa.Index(f"{prefix}locks_expiry", table.c.expires_at)
    return table


def _revocations(metadata: sa.MetaData, prefix: str) -> sa.Table:
    return sa.Table(
        plain(f"{prefix}revocations"),
        metadata,
        sa.Column("version", _BIG, primary_key=True, autoincrement=True),
        sa.Column("task_id", Name, nullable=False, index=True),
        sa.Column("terminates", sa.Boolean, nullable=False),
        sa.Column("signal", Name, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        **_KIND,
    )


def _announcements(metadata: sa.MetaData, prefix: str, now: str) -> sa.Table:
    """Of the last minute."""
    table = sa.Table(
        plain(f"{prefix}announcements"),
        metadata,
        sa.Column("id", _BIG, primary_key=True, autoincrement=True),
        sa.Column("channel", Name, nullable=False),
        sa.Column("routing_key", Name, nullable=False),
        sa.Column("said_at", sa.Double, nullable=False, server_default=sa.text(f"({now})")),
        sa.Column("payload", _BLOB, nullable=False),
        **_KIND,
    )
    sa.Index(f"{prefix}said", table.c.channel, table.c.id)
    return table
