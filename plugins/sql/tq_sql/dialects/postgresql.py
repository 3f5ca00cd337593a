"""PostgreSQL through psycopg 3: `SKIP LOCKED`, arrays for batches, LISTEN and NOTIFY to wake."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Collection, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.engine import Connection, Engine

from tq_sql.bell import Bell
from tq_sql.dialects.base import Claim, Dialect, Ready, candidates, counts_since, first_of, within
from tq_sql.direct import change, rows_of
from tq_sql.notify import NotifyBell, PooledBell, said_of
from tq_sql.tables import LENT, Tables

_USUAL: Final[dict[str, Any]] = {"application_name": "tq", "keepalives_idle": 30}


class Postgresql(Dialect):
    # Heartbeats, which change no key, need not wait for it; a DELETE has to.
    shared = " FOR KEY SHARE"
    notifies = True
    now = "EXTRACT(EPOCH FROM clock_timestamp())::float8"
    asked = "EXTRACT(EPOCH FROM statement_timestamp())::float8"

    def engine(self) -> Engine:
        engine = sa.create_engine(
            self.url,
            pool_size=self.options.pool_size,
            max_overflow=-1,
            pool_reset_on_return=None,
            # A stricter one, as a database may have by default, ends who takes rows beside others.
            isolation_level="READ COMMITTED",
            # Arguments of tasks do not belong into tracebacks.
            hide_parameters=True,
            # Saves a question to the server for each connection.
            use_native_hstore=False,
            # Arguments go before what the URL says.
            connect_args={name: value for name, value in _USUAL.items() if name not in self.url.query},
        )
        event.listen(engine, "do_connect", self._connect)
        return engine

    def _connect(self, dialect: Any, record: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        from tq_sql.dialects.psycopg3 import PatientConnection

        # libpq knows whole seconds, from 2 up.
        kwargs["connect_timeout"] = max(2, math.ceil(self.connect_seconds()))
        if self.options.transaction_pooling:
            kwargs["prepare_threshold"] = None
        else:
            # At the start of the session: a statement would cost three more round trips.
            own = f"-c idle_in_transaction_session_timeout={self.abandoned}s"
            kwargs["options"] = f"{kwargs.get('options', '')} {own}".strip()
        connection = PatientConnection.connect(*args, **kwargs)
        connection.patience = self.patience
        connection.deadline = self.call_ends()
        return connection

    def before(self, conn: Connection, seconds: float, *, read: bool, alone: bool = False) -> None:
        raw: Any = conn.connection.driver_connection
        raw.deadline = time.monotonic() + max(0.05, seconds)
        raw.patience = self.patience
        # A round trip each for BEGIN and COMMIT: what only reads needs neither, nor does a single statement.
        raw.commit_each(read or alone)

    def stale(self, conn: Connection) -> bool:
        raw: Any = conn.connection.driver_connection
        return bool(raw.hung_up())

    def bell(self, topic: str, *, shared: bool) -> Bell:
        return PooledBell(topic) if self.options.transaction_pooling else NotifyBell(topic)

    def preparing(self, conn: Connection) -> Connection:
        # psycopg spends a round trip each on BEGIN and COMMIT.
        return conn.execution_options(isolation_level="AUTOCOMMIT")

    def script(self, conn: Connection, name: str, statements: Sequence[str]) -> None:
        # What is sent without parameters may be several statements, and these are one transaction.
        lock = f"SELECT pg_advisory_xact_lock({zlib.crc32(name.encode())})"
        whole = ";\n".join([lock, *statements])
        self.preparing(conn).exec_driver_sql(whole, execution_options={"no_parameters": True})
        conn.commit()

    def among(self, column: sa.ColumnElement[int], key: str) -> sa.ColumnElement[bool]:
        return column == sa.func.any(sa.bindparam(key, type_=ARRAY(sa.BigInteger)))

    def skip_locked(self, query: sa.Select[Any]) -> sa.Select[Any]:
        return query.with_for_update(skip_locked=True)

    def insert(self, conn: Connection, tables: Tables, rows: Sequence[Ready]) -> None:
        change(conn, _insert(tables), _columns(rows))

    def insert_and_ring(
        self, conn: Connection, tables: Tables, rows: Sequence[Ready], topic: str, names: Collection[str]
    ) -> None:
        statement = f"WITH stored AS ({_insert(tables)} RETURNING 1) SELECT pg_notify(%(topic)s, %(said)s)"
        change(conn, statement, {**_columns(rows), "topic": topic, "said": said_of(names)})

    def remove(self, conn: Connection, tables: Tables, me: int, ids: Sequence[int]) -> int:
        return change(
            conn,
            f"DELETE FROM {tables.messages.name} WHERE id = ANY(%(ids)s::bigint[]) AND holder = %(me)s::bigint",
            {"ids": list(ids), "me": me},
        )

    def new_uniques(self, conn: Connection, tables: Tables, ids: Sequence[str], ttl: float) -> set[str]:
        found = rows_of(
            conn,
            f"INSERT INTO {tables.uniques.name} (task_id, expires_at) "
            f"SELECT unnest(%(ids)s::text[]), {self.now} + %(ttl)s "
            "ON CONFLICT DO NOTHING RETURNING task_id",
            {"ids": list(ids), "ttl": ttl},
        )
        return {row[0] for row in found}

    def insert_new(self, table: sa.Table) -> sa.Insert:
        return postgresql_insert(table).on_conflict_do_nothing()

    def claim(self, tables: Tables, queues: Sequence[str]) -> Claim:
        limit = sa.bindparam("limit", type_=sa.Integer)
        heads = [
            sa.select(candidates(self, tables, sa.bindparam(f"q{at}"), at, limit).subquery())
            for at in range(len(queues))
        ]
        head = (heads[0] if len(heads) == 1 else sa.union_all(*heads)).subquery("heads")
        c = tables.messages.c
        # As an array it is computed once, whatever the planner believes about the size of the table.
        found = within(head, limit).cte("found")
        ids = sa.func.array(sa.select(found.c.id).scalar_subquery())
        statement = (
            sa.update(tables.messages)
            .where(c.id == sa.func.any(ids))
            .values(state=LENT, holder=sa.bindparam("me"), due_at=counts_since(self, c.id == first_of(found)))
            .returning(c.id, c.queue, c.lane, c.charged, c.payload)
        )
        fixed: dict[str, Any] = {f"q{at}": queue for at, queue in enumerate(queues)}
        fixed["max_bytes"] = self.options.fetch_bytes

        def claim(conn: Connection, me: int, limit: int) -> Sequence[Any]:
            return conn.execute(statement, {**fixed, "me": me, "limit": limit}).all()

        return claim

    def upsert(self, table: sa.Table, key: str, keep: sa.ColumnElement[bool]) -> sa.Insert:
        statement = postgresql_insert(table)
        return statement.on_conflict_do_update(
            index_elements=[key],
            set_={c.name: statement.excluded[c.name] for c in table.c if c.name not in ("id", key)},
            where=~keep,
        )


def _insert(tables: Tables) -> str:
    # Payloads in binary: in text they would take twice as many bytes.
    return (
        f"INSERT INTO {tables.messages.name} (queue, lane, payload) SELECT * FROM "
        "unnest(%(queues)s::text[], %(lanes)s::smallint[], %(payloads)b::bytea[])"
    )


def _columns(rows: Sequence[Ready]) -> dict[str, Any]:
    queues, lanes, payloads = (list(column) for column in zip(*rows, strict=True))
    return {"queues": queues, "lanes": lanes, "payloads": payloads}
