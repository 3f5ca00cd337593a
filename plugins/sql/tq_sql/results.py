"""Celery's result tables, and the way between their rows and `TaskMeta`.

Source: Celery 5.7, `celery.backends.database.models`: names, types, constraints and sequences are the same, so
that either side may create the tables. Blobs hold the output of the result serializer.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from tq.contracts import Serializer
from tq.errors import DecodeError, EncodeError
from tq.records import TaskMeta
from tq_sql.tables import is_storable, storable

TASK_ID_LENGTH: Final = 155
_BLOBS: Final = ("result", "children", "args", "kwargs", "stamps")
_BLOB = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
# Exact, for ids that differ by case only. Bytes would not do: Celery compares with text.
_TASK_ID = sa.String(TASK_ID_LENGTH).with_variant(
    mysql.VARCHAR(TASK_ID_LENGTH, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
)
_KIND: Final[dict[str, Any]] = {
    "sqlite_autoincrement": True,
    "mysql_charset": "utf8mb4",
    "mariadb_charset": "utf8mb4",
}
_MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

metadata: Final = sa.MetaData()
TASKS: Final = sa.Table(
    "celery_taskmeta",
    metadata,
    sa.Column("id", _ID, sa.Sequence("task_id_sequence"), primary_key=True, autoincrement=True),
    sa.Column("task_id", _TASK_ID, unique=True),
    sa.Column("status", sa.String(50)),
    sa.Column("result", _BLOB),
    sa.Column("date_done", _MOMENT, index=True),
    sa.Column("traceback", _TEXT),
    sa.Column("children", _BLOB),
    sa.Column("name", sa.String(155)),
    sa.Column("args", _BLOB),
    sa.Column("kwargs", _BLOB),
    sa.Column("worker", sa.String(155)),
    sa.Column("retries", sa.Integer),
    sa.Column("queue", sa.String(155)),
    sa.Column("stamps", _BLOB),
    **_KIND,
)
GROUPS: Final = sa.Table(
    "celery_tasksetmeta",
    metadata,
    sa.Column("id", _ID, sa.Sequence("taskset_id_sequence"), primary_key=True, autoincrement=True),
    sa.Column("taskset_id", sa.String(155), unique=True),
    sa.Column("result", _BLOB),
    sa.Column("date_done", _MOMENT, index=True),
    **_KIND,
)


def to_row(meta: TaskMeta, serializer: Serializer) -> dict[str, Any]:
    """The row of a document. Raises `EncodeError` for what no row can hold."""
    if len(meta.task_id) > TASK_ID_LENGTH:
        raise EncodeError(f"a task id has at most {TASK_ID_LENGTH} characters here, not {len(meta.task_id)}")
    if not is_storable(meta.task_id):
        raise EncodeError(f"the task id {meta.task_id!r} holds what text in a database cannot")
    return {
        "task_id": meta.task_id,
        "status": _text(meta.status, 50),
        "result": serializer.dumps(meta.result),
        "date_done": _to_utc(meta.date_done),
        "traceback": _text(meta.traceback),
        "children": serializer.dumps(meta.children) if meta.children else None,
        "name": _text(meta.name, 155),
        "args": None if meta.args is None else serializer.dumps(meta.args),
        "kwargs": None if meta.kwargs is None else serializer.dumps(meta.kwargs),
        "worker": _text(meta.worker, 155),
        "retries": meta.retries,
        "queue": _text(meta.queue, 155),
        "stamps": _family(meta, serializer),
    }


def _text(value: str | None, length: int | None = None) -> str | None:
    """What an exception says may be anything, and its task has ended all the same."""
    return value and storable(value)[:length]


def _family(meta: TaskMeta, serializer: Serializer) -> bytes | None:
    """Celery adds what it finds below "stamps" to the document; its tables have no other place for these."""
    family = {"group_id": meta.group_id, "parent_id": meta.parent_id}
    known = {name: value for name, value in family.items() if value is not None}
    found = {**(meta.stamps or {}), **known}
    if not found:
        return None
    return serializer.dumps(
        {"stamps": found, **({"stamped_headers": list(meta.stamps)} if meta.stamps else {})}
    )


def to_meta(row: Any, serializer: Serializer) -> TaskMeta:
    """The document of a row. Raises `DecodeError` for blobs of another serializer."""
    read = {name: _load(getattr(row, name), name, row.task_id, serializer) for name in _BLOBS}
    told = read["stamps"] if isinstance(read["stamps"], dict) else {}
    family = told["stamps"] if isinstance(told.get("stamps"), dict) else {}
    names = told["stamped_headers"] if isinstance(told.get("stamped_headers"), list) else ()
    return TaskMeta(
        task_id=row.task_id,
        status=row.status or "PENDING",
        result=read["result"],
        traceback=row.traceback,
        children=read["children"],
        date_done=None if row.date_done is None else row.date_done.replace(tzinfo=dt.UTC).isoformat(),
        group_id=family.get("group_id"),
        parent_id=family.get("parent_id"),
        name=row.name,
        args=read["args"],
        kwargs=read["kwargs"],
        worker=row.worker,
        retries=row.retries,
        queue=row.queue,
        stamps={name: family[name] for name in names if isinstance(name, str) and name in family} or None,
    )


def _load(blob: Any, name: str, task_id: str, serializer: Serializer) -> Any:
    if blob is None:
        return None
    try:
        return serializer.loads(bytes(blob))
    except DecodeError as exc:
        raise DecodeError(
            f"the {name} of task {task_id} was not written by {serializer.name}: {exc}"
        ) from exc


def _to_utc(moment: str | None) -> dt.datetime | None:
    """Celery keeps moments as UTC without saying so."""
    if moment is None:
        return None
    try:
        read = dt.datetime.fromisoformat(moment)
    except ValueError as exc:
        raise EncodeError(f"date_done {moment!r} is no moment in ISO format") from exc
    return read if read.tzinfo is None else read.astimezone(dt.UTC).replace(tzinfo=None)
