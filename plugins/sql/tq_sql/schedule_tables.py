"""The tables of the schedule: rows that people can read and change, and who leads the beats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from tq.contracts.schedules import Entry, Row, State
from tq_sql.tables import Name, plain

_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
_KIND: Final[dict[str, Any]] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
}
_JSON: Final = ("schedule", "args", "kwargs", "options", "queued")
ENTRY: Final = tuple(field for field in Entry.__struct_fields__ if field != "name")
STATE: Final = State.__struct_fields__


@dataclass(frozen=True)
class ScheduleTables:
    """The tables under one prefix."""

    metadata: sa.MetaData
    rows: sa.Table
    leaders: sa.Table


def make_schedule_tables(prefix: str) -> ScheduleTables:
    """Describe them."""
    metadata = sa.MetaData()
    rows = sa.Table(
        plain(f"{prefix}schedule"),
        metadata,
        sa.Column("namespace", Name, primary_key=True),
        sa.Column("name", Name, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("task", _TEXT, nullable=False),
        sa.Column("schedule", _TEXT, nullable=False),
        sa.Column("args", _TEXT, nullable=False),
        sa.Column("kwargs", _TEXT, nullable=False),
        sa.Column("options", _TEXT, nullable=False),
        sa.Column("zone", sa.String(64)),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("misfire", sa.String(10), nullable=False),
        sa.Column("catch_up", sa.Integer, nullable=False),
        sa.Column("grace", sa.Double),
        sa.Column("overlap", sa.String(10), nullable=False),
        sa.Column("origin", sa.String(10), nullable=False),
        sa.Column("next_due", sa.Double),
        sa.Column("last_due", sa.Double),
        sa.Column("last_sent", sa.Double),
        sa.Column("last_id", sa.String(64)),
        sa.Column("sent", sa.BigInteger, nullable=False),
        sa.Column("queued", _TEXT, nullable=False),
        sa.Column("series", sa.Integer, nullable=False),
        **_KIND,
    )
    leaders = sa.Table(
        plain(f"{prefix}schedule_leaders"),
        metadata,
        sa.Column("namespace", Name, primary_key=True),
        sa.Column("owner", Name, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.Double, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        **_KIND,
    )
    return ScheduleTables(metadata, rows, leaders)


def entry_columns(entry: Entry) -> dict[str, Any]:
    """The columns of an entry, without its name."""
    return _columns(entry, ENTRY)


def state_columns(state: State) -> dict[str, Any]:
    """The columns of a state."""
    return _columns(state, STATE)


def to_row(found: Any) -> Row:
    """The row of a record of the table. Raises `msgspec.MsgspecError` for columns that mean nothing."""
    entry = msgspec.convert({"name": found.name, **_values(found, ENTRY)}, Entry, strict=False)
    state = msgspec.convert(_values(found, STATE), State, strict=False)
    return Row(entry, state, int(found.revision))


def _columns(record: Any, names: tuple[str, ...]) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in names}
    return {k: msgspec.json.encode(v).decode() if k in _JSON else v for k, v in values.items()}


def _values(found: Any, names: tuple[str, ...]) -> dict[str, Any]:
    values = {name: getattr(found, name) for name in names}
    return {k: msgspec.json.decode(v) if k in _JSON else v for k, v in values.items()}
