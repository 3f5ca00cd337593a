"""Transactional enqueue: tasks that are sent when, and only when, the caller's own transaction commits."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from tq.contracts.transactions import own_transaction
from tq.errors import ImproperlyConfigured
from tq_sql.dialects import Ready
from tq_sql.parcels import UNIQUE_FOR, Inlet
from tq_sql.urls import ALIASES, Address

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, scoped_session

_PORTS = {"postgresql": 5432, "mysql": 3306}
_HERE = frozenset({None, "", "localhost", "127.0.0.1", "::1"})


@contextmanager
def enqueue_with(session: Session | scoped_session[Any] | Connection) -> Iterator[None]:
    """Put what is sent inside this block into the transaction of `session`.

        with Session(engine) as session, session.begin():
            session.add(order)
            with enqueue_with(session):
                ship.delay(order.id)

    No worker sees the tasks before the commit, and none after a rollback or a crash. The app's broker has to be the
    same database, with the tables in place (`tq sql upgrade`). A countdown counts from the insert. Raises
    `ImproperlyConfigured`, from the call that sends, for any other broker.
    """
    token = own_transaction.set(Own(session))
    try:
        yield
    finally:
        own_transaction.reset(token)


class Own:
    """A transaction of the caller's."""

    def __init__(self, session: Any) -> None:
        if not isinstance(session, Connection) and not callable(getattr(session, "connection", None)):
            raise ImproperlyConfigured(
                f"enqueue_with takes a Session or a Connection of SQLAlchemy, not {type(session).__name__}"
            )
        if type(session).__name__.startswith(("Async", "async_")):
            raise ImproperlyConfigured(
                "enqueue_with takes the session inside of an async one: "
                "await session.run_sync(lambda inner: ...), and enqueue_with(inner) there"
            )
        self._session = session

    def connection(self) -> Connection:
        """The connection that the transaction is on."""
        found: Connection = (
            self._session if isinstance(self._session, Connection) else self._session.connection()
        )
        return found

    def is_in(self, address: Address) -> bool:
        """Whether it is a transaction of that database."""
        return _place(self.connection().engine.url) == _place(address.url)


class GuestInlet(Inlet):
    """Puts parcels into the table over any driver that SQLAlchemy has."""

    def _insert(self, conn: Connection, rows: Sequence[Ready]) -> None:
        values = [{"queue": queue, "lane": lane, "payload": payload} for queue, lane, payload in rows]
        conn.execute(sa.insert(self._tables.messages), values)

    def _remember(self, conn: Connection, ids: Sequence[str]) -> set[str]:
        c = self._tables.uniques.c
        now = sa.literal_column(self._dialect.now, sa.Double)
        statement = self._dialect.insert_new(self._tables.uniques).values(
            {c.task_id: sa.bindparam("id"), c.expires_at: now + UNIQUE_FOR}
        )
        counted = statement.execution_options(preserve_rowcount=True)
        return {task_id for task_id in ids if conn.execute(counted, {"id": task_id}).rowcount > 0}


def _place(url: URL) -> tuple[object, ...]:
    """Equal for two URLs of one database; not so for two names of one machine."""
    name = url.get_backend_name()
    kind = ALIASES.get(name, name)
    if kind == "sqlite":
        return kind, os.path.realpath(url.database or "")
    socket = url.query.get("unix_socket")
    host = url.query.get("host") or url.host
    near = "here" if isinstance(host, str | None) and host in _HERE else host
    port = url.query.get("port") or url.port or _PORTS.get(kind)
    return kind, socket or near, str(port), url.query.get("dbname") or url.database
