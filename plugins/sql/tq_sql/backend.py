"""The result backend: Celery's tables in an SQL database."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tq.contracts import BackendCap, ResultBackend, Serializer
from tq.contracts.transactions import own_transaction
from tq.errors import DecodeError
from tq.records import Finding, GroupCount, GroupPart, GroupStart, TaskMeta
from tq.states import READY_STATES, SUCCESS
from tq_sql import groups
from tq_sql.bell import Interrupt
from tq_sql.checkup import check_up
from tq_sql.database import FAILURES, Database, Session, Work
from tq_sql.dialects.sqlite import Sqlite
from tq_sql.enqueue import Own
from tq_sql.faults import backend_faults
from tq_sql.options import SqlOptions
from tq_sql.results import GROUPS, TASKS, metadata, to_meta, to_row
from tq_sql.schema import create_all, is_complete, missing_columns, run_script
from tq_sql.urls import read_url

AT_ONCE = 500
"""Ids in one query."""
CHUNK = 5000
"""Rows removed in one transaction."""


class SqlBackend(ResultBackend):
    """`db+postgresql://…` and the like, and the URLs of `SqlBroker`."""

    api_version: ClassVar[int] = 1
    capabilities: ClassVar[BackendCap] = (
        BackendCap.PUSH | BackendCap.DURABLE | BackendCap.SHARED | BackendCap.GROUPS
    )
    options_type = SqlOptions

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any] | None = None,
        *,
        serializer: Serializer,
        expires: float | None = 86400.0,
    ) -> None:
        self.place = read_url(url)
        super().__init__(self.place.own, options, serializer=serializer, expires=expires)
        self.url = url
        self._faults = backend_faults(url)
        self._database = Database(self.place, self.options, self._faults, self._create)
        self.bell = self._database.dialect.bell("celery_results", shared=True)
        self._upsert = self._database.dialect.upsert(TASKS, "task_id", TASKS.c.status == SUCCESS)

    def prepare(self) -> None:
        """Connect and create the tables now rather than at first use."""
        self._database.limits(self.options.socket_timeout)

    def _create(self, conn: Connection) -> None:
        if not self.options.create_tables:
            return
        dialect = self._database.dialect
        if is_complete(conn, dialect, metadata):
            return
        create_all(conn, dialect, metadata)
        # Older Celery made its table without some columns.
        if not is_complete(conn, dialect, metadata):
            run_script(conn, dialect, TASKS.name, missing_columns(conn))

    # -- storing -------------------------------------------------------------------------------------------

    def store(self, batch: Sequence[TaskMeta]) -> None:
        rows = [self.to_row(meta) for meta in batch]
        if not rows:
            return
        ids = [row["task_id"] for row in rows]

        def work(conn: Connection) -> None:
            self.store_rows(conn, rows)
            self.bell.ring_inside(conn, ids)

        self._database.transact(work)
        self.bell.ring(ids, len(ids))

    def to_row(self, meta: TaskMeta) -> dict[str, Any]:
        """Pack a document. Raises `EncodeError`."""
        return to_row(meta, self.serializer)

    def store_rows(self, conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Inside a transaction: write rows of `to_row`, but not over a SUCCESS."""
        last: dict[str, Mapping[str, Any]] = {}
        for row in rows:
            before = last.get(row["task_id"])
            if before is None or before["status"] != SUCCESS:
                last[row["task_id"]] = row
        # One order for everybody, or two batches with common ids could wait for each other.
        conn.execute(self._upsert, [last[key] for key in sorted(last)])

    def findings(self) -> Sequence[Finding]:
        return self._database.transact(check_up(self._database.dialect, self.place), read=True)

    # -- reading -------------------------------------------------------------------------------------------

    def get(self, task_ids: Sequence[str]) -> Mapping[str, TaskMeta]:
        session = Session(self._database)
        try:
            return self._read(session, task_ids, ready=False)
        finally:
            session.close()

    def wait(self, task_ids: Sequence[str], timeout: float) -> Mapping[str, TaskMeta]:
        deadline = time.monotonic() + timeout
        session = Session(self._database)
        interrupt = Interrupt()
        try:
            found = self._read(session, task_ids, ready=True)
            if found or timeout <= 0:
                return found
            return self._watch(session, interrupt, task_ids, deadline)
        finally:
            session.close()
            interrupt.close()

    def _watch(
        self, session: Session, interrupt: Interrupt, task_ids: Sequence[str], deadline: float
    ) -> Mapping[str, TaskMeta]:
        waiter = self.bell.waiter(session.connect(), interrupt, ())
        try:
            while True:
                waiter.arm()
                found = self._read(session, task_ids, ready=True)
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                waiter.wait(left)
        except FAILURES as exc:
            raise self._faults.translate(exc) from exc
        finally:
            waiter.close()

    def _read(self, session: Session, task_ids: Sequence[str], *, ready: bool) -> dict[str, TaskMeta]:
        found: dict[str, TaskMeta] = {}
        for at in range(0, len(task_ids), AT_ONCE):
            some = list(task_ids[at : at + AT_ONCE])
            found.update(session.transact(lambda conn, some=some: self._select(conn, some, ready), read=True))  # type: ignore[misc]
        return found

    def _select(self, conn: Connection, task_ids: Sequence[str], ready: bool) -> dict[str, TaskMeta]:
        query = sa.select(TASKS).where(TASKS.c.task_id.in_(sa.bindparam("ids", expanding=True)))
        if ready:
            query = query.where(TASKS.c.status.in_(sorted(READY_STATES)))
        try:
            return {
                row.task_id: to_meta(row, self.serializer) for row in conn.execute(query, {"ids": task_ids})
            }
        except DecodeError as exc:
            raise self._faults.failed(str(exc)) from exc

    # -- removing ------------------------------------------------------------------------------------------

    def forget(self, task_ids: Sequence[str]) -> None:
        statement = sa.delete(TASKS).where(TASKS.c.task_id.in_(sa.bindparam("ids", expanding=True)))
        for at in range(0, len(task_ids), AT_ONCE):
            some = sorted(task_ids[at : at + AT_ONCE])
            self._database.transact(lambda conn, some=some: conn.execute(statement, {"ids": some}) and None)  # type: ignore[misc]

    def cleanup(self) -> int:
        """Remove what was done longer ago than `expires`; states that are not final have no date."""
        if self.expires is None:
            return 0
        before = dt.datetime.now(dt.UTC).replace(tzinfo=None) - dt.timedelta(seconds=self.expires)
        gone = 0
        for table in (TASKS, GROUPS, groups.GROUPS):
            while removed := self._remove_before(table, before):
                gone += removed
        return gone + self._database.transact(groups.forget_orphans)

    def _remove_before(self, table: sa.Table, before: dt.datetime) -> int:
        dialect = self._database.dialect
        query = sa.select(table.c.id).where(table.c.date_done < before).limit(CHUNK)

        def work(conn: Connection) -> int:
            ids = conn.execute(dialect.skip_locked(query)).scalars().all()
            if ids:
                conn.execute(
                    sa.delete(table).where(dialect.among(table.c.id, "ids")), {"ids": dialect.ids(ids)}
                )
            return len(ids)

        return self._database.transact(work)

    def _beside(self, work: Work[None]) -> None:
        """Of what is sent within the caller's own transaction. That one may hold the only lock of a SQLite file, so it
        is used there: another connection would wait for its end."""
        own = own_transaction.get()
        dialect = self._database.dialect
        if not isinstance(dialect, Sqlite) or not isinstance(own, Own) or not own.is_in(self.place):
            self._database.transact(work)
            return
        self.prepare()
        try:
            with dialect.inside(self.options.socket_timeout):
                work(own.connection())
        except FAILURES as exc:
            raise self._faults.translate(exc) from exc

    # -- groups --------------------------------------------------------------------------------------------

    def start_group(self, group: GroupStart, *, fresh: bool = False) -> None:
        self._beside(lambda conn: groups.start(conn, group, self.serializer, fresh))

    def count(self, parts: Sequence[GroupPart]) -> Sequence[GroupCount]:
        return self._database.transact(lambda conn: groups.count(conn, parts, self.serializer))

    def grow_group(self, group_id: str, task_id: str) -> None:
        self._database.transact(lambda conn: groups.grow(conn, group_id, task_id))

    def end_groups(self, group_ids: Sequence[str]) -> None:
        self._database.transact(lambda conn: groups.end(conn, group_ids))

    def save_group(self, group_id: str, structure: Any) -> None:
        self._beside(lambda conn: groups.save(conn, group_id, structure, self.serializer))

    def load_group(self, group_id: str) -> Any | None:
        return self._database.transact(lambda conn: groups.load(conn, group_id, self.serializer))

    def forget_group(self, group_id: str) -> None:
        self._database.transact(lambda conn: groups.forget(conn, group_id))

    # -- the rest ------------------------------------------------------------------------------------------

    def after_fork(self) -> None:
        self._database.after_fork()

    def close(self) -> None:
        self._database.close()
