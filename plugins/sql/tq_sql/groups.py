"""Groups of tasks whose ends are counted: two tables beside Celery's, which knows no such thing.

A count holds the lock of its group's row, so that counts of one group follow each other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tq.contracts import Serializer
from tq.records import GroupCount, GroupPart, GroupStart
from tq_sql.results import GROUPS as SAVED
from tq_sql.results import metadata
from tq_sql.tables import _BIG, _BLOB, _KIND, Name

GROUPS: Final = sa.Table(
    "tq_groups",
    metadata,
    sa.Column("id", _BIG, primary_key=True, autoincrement=True),
    sa.Column("group_id", Name, nullable=False, unique=True),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("structure", _BLOB),
    sa.Column("claimed_by", Name),
    sa.Column("claimed_index", sa.Integer),
    sa.Column("ended", sa.Boolean, nullable=False),
    sa.Column("counts", sa.Integer, nullable=False),
    sa.Column("date_done", sa.DateTime, nullable=False, index=True),
    **_KIND,
)
PARTS: Final = sa.Table(
    "tq_groupparts",
    metadata,
    sa.Column("id", _BIG, primary_key=True, autoincrement=True),
    sa.Column("group_row", _BIG, nullable=False),
    sa.Column("task_id", Name, nullable=False),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("status", sa.String(50)),
    sa.Column("result", _BLOB),
    sa.UniqueConstraint("group_row", "task_id", "place", name="tq_groupparts_member"),
    **_KIND,
)
ADDED: Final = -2
"""The place of a row that only says that a task was added to its group."""


def now() -> dt.datetime:
    """Moments are UTC without saying so, as in Celery's tables."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def start(conn: Connection, group: GroupStart, serializer: Serializer, fresh: bool) -> None:
    """Begin to count, unless it is counted already."""
    c = GROUPS.c
    there = conn.execute(sa.select(c.id).where(c.group_id == group.group_id).with_for_update()).scalar()
    if there is not None and not fresh:
        return
    if there is not None:
        conn.execute(sa.delete(PARTS).where(PARTS.c.group_row == there))
    values = {
        "size": group.size,
        "structure": None if group.structure is None else serializer.dumps(group.structure),
        "claimed_by": None,
        "claimed_index": None,
        "ended": False,
        "counts": 0,
        "date_done": now(),
    }
    if there is not None:
        conn.execute(sa.update(GROUPS).where(c.id == there), values)
    else:
        conn.execute(sa.insert(GROUPS), {"group_id": group.group_id, **values})


def count(conn: Connection, parts: Sequence[GroupPart], serializer: Serializer) -> list[GroupCount]:
    """Note parts; an answer for each. One order for everybody, so that nobody waits in a circle."""
    answers = [GroupCount()] * len(parts)
    for place in sorted(range(len(parts)), key=lambda at: parts[at].group_id):
        answers[place] = _count(conn, parts[place], serializer)
    return answers


def _count(conn: Connection, part: GroupPart, serializer: Serializer) -> GroupCount:
    c = GROUPS.c
    lock = sa.update(GROUPS).where(c.group_id == part.group_id, c.ended.is_(False))
    if not conn.execute(lock.values(counts=c.counts + 1, date_done=now())).rowcount:
        return GroupCount()
    group = conn.execute(sa.select(GROUPS).where(c.group_id == part.group_id)).one()
    status = _note(conn, group.id, part, serializer)
    claim = None if group.claimed_by is None else (group.claimed_by, group.claimed_index)
    if claim is None and (status != "SUCCESS" or _ended(conn, group.id) >= group.size):
        claim = (part.task_id, part.index)
        values = {"claimed_by": part.task_id, "claimed_index": part.index}
        conn.execute(sa.update(GROUPS).where(c.id == group.id), values)
    if claim != (part.task_id, part.index):
        return GroupCount()
    structure = None if group.structure is None else serializer.loads(bytes(group.structure))
    return GroupCount(True, _parts(conn, group.id, part.group_id, serializer), structure)


def _note(conn: Connection, group: int, part: GroupPart, serializer: Serializer) -> str:
    """Keep the part unless it is known; the status that stands."""
    c = PARTS.c
    own = (c.group_row == group, c.task_id == part.task_id, c.place == part.index)
    known = conn.execute(sa.select(c.status).where(*own)).scalar()
    if known is not None:
        return str(known)
    row = {"group_row": group, "task_id": part.task_id, "place": part.index}
    conn.execute(sa.insert(PARTS), {**row, "status": part.status, "result": serializer.dumps(part.result)})
    return part.status


def _ended(conn: Connection, group: int) -> int:
    query = sa.select(sa.func.count()).where(PARTS.c.group_row == group, PARTS.c.place != ADDED)
    return int(conn.execute(query).scalar_one())


def _parts(conn: Connection, group: int, group_id: str, serializer: Serializer) -> tuple[GroupPart, ...]:
    c = PARTS.c
    rows = conn.execute(
        sa.select(PARTS).where(c.group_row == group, c.place != ADDED).order_by(c.place, c.id)
    )
    return tuple(
        GroupPart(group_id, row.place, row.task_id, row.status, serializer.loads(bytes(row.result)))
        for row in rows
    )


def grow(conn: Connection, group_id: str, task_id: str) -> None:
    """Expect one more, once for each task."""
    c = GROUPS.c
    conn.execute(sa.update(GROUPS).where(c.group_id == group_id).values(counts=c.counts + 1))
    group = conn.execute(sa.select(c.id).where(c.group_id == group_id)).scalar()
    own = (PARTS.c.group_row == group, PARTS.c.task_id == task_id, PARTS.c.place == ADDED)
    if group is None or conn.execute(sa.select(PARTS.c.id).where(*own)).scalar() is not None:
        return
    conn.execute(sa.insert(PARTS), {"group_row": group, "task_id": task_id, "place": ADDED})
    conn.execute(sa.update(GROUPS).where(c.id == group).values(size=c.size + 1))


def end(conn: Connection, group_ids: Sequence[str]) -> None:
    """Forget the parts; the row stays until it expires, so that late parts find that all is done."""
    c = GROUPS.c
    for group_id in sorted(group_ids):
        conn.execute(sa.update(GROUPS).where(c.group_id == group_id).values(ended=True, date_done=now()))
        group = sa.select(c.id).where(c.group_id == group_id).scalar_subquery()
        conn.execute(sa.delete(PARTS).where(PARTS.c.group_row == group))


def forget_orphans(conn: Connection) -> int:
    """Remove parts whose group has gone."""
    known = sa.select(GROUPS.c.id)
    return int(conn.execute(sa.delete(PARTS).where(PARTS.c.group_row.not_in(known))).rowcount)


def save(conn: Connection, group_id: str, structure: Any, serializer: Serializer) -> None:
    """Keep the ids of a group, in Celery's table."""
    forget(conn, group_id)
    row = {"taskset_id": group_id, "result": serializer.dumps(structure), "date_done": now()}
    conn.execute(sa.insert(SAVED), row)


def load(conn: Connection, group_id: str, serializer: Serializer) -> Any | None:
    """The ids of a group, or None."""
    query = sa.select(SAVED.c.result).where(SAVED.c.taskset_id == group_id)
    raw = conn.execute(query).scalar()
    return None if raw is None else serializer.loads(bytes(raw))


def forget(conn: Connection, group_id: str) -> None:
    """Remove what `save` kept."""
    conn.execute(sa.delete(SAVED).where(SAVED.c.taskset_id == group_id))
