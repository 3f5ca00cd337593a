"""One database: its engine, its transactions, and what happens to them when the server goes away."""

from __future__ import annotations

import os
import random
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from tq.errors import BrokerUnavailable, TQError
from tq_sql.dialects import Dialect, dialect_of
from tq_sql.dialects.sqlite import Sqlite
from tq_sql.faults import AGAIN, Faults, code, is_disconnect
from tq_sql.options import SqlOptions
from tq_sql.urls import Address

T = TypeVar("T")
Work = Callable[[Connection], T]
FAILURES = (SQLAlchemyError, OSError, UnicodeError)


class Database:
    """Thread-safe; connects on first use, and prepares the tables with `prepare` before that."""

    def __init__(
        self, address: Address, options: SqlOptions, faults: Faults, prepare: Callable[[Connection], None]
    ) -> None:
        self.address = address
        self.options = options
        self.faults = faults
        self.dialect = dialect_of(address.dialect, address.url, options)
        self._prepare = prepare
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._pid = 0
        # A child must neither use nor close what it inherited: closing a SQLite file or a socket there would
        # speak for the parent. So it is kept, untouched.
        self._inherited: list[object] = []
        self._own = threading.local()
        # Weak: the session of a thread that ended gives its connection back to the pool.
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()

    @property
    def engine(self) -> Engine:
        """The engine of this process, with the tables in place."""
        if self._engine is not None and self._pid == os.getpid():
            return self._engine
        if not self._lock.acquire(timeout=self.dialect.left()):
            raise self.faults.later("another thread of this process connects to it for too long")
        try:
            return self._start()
        finally:
            self._lock.release()

    def hurry(self, lease: float) -> None:
        """From now on wait so briefly for an answer that a beat is tried twice within a lease of so many seconds."""
        if not isinstance(self.dialect, Sqlite):  # which has no connection that could hang
            self.dialect.patience = min(self.dialect.patience, max(lease / 3, 0.5))

    def limits(self, timeout: float) -> Dialect:
        """The dialect, once the server has told its limits."""
        self.dialect.limit_call(timeout)
        self.engine  # noqa: B018
        return self.dialect

    def _start(self) -> Engine:
        if self._engine is not None and self._pid == os.getpid():
            return self._engine
        self._forget()
        try:
            if isinstance(self.dialect, Sqlite):
                self.dialect.prepare_folder()
            engine = self.dialect.engine()
            with self.dialect.inside(self.dialect.left()), engine.connect() as conn:
                self.dialect.before(conn, self.dialect.left(), read=True)
                self.dialect.started(conn)
                self._prepare(self.dialect.preparing(conn))
        except ImportError as exc:
            raise self.faults.failed(
                f"its driver {exc.name} is not installed; run: pip install 'tq-sql[{self.address.dialect}]'"
            ) from exc
        except FAILURES as exc:
            raise self.faults.translate(exc) from exc
        self._engine, self._pid = engine, os.getpid()
        return engine

    def after_fork(self) -> None:
        """Forget the parent's connections without touching them."""
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        if self._engine is not None:
            self._inherited += [self._engine, self._own, *self._sessions]
            self._engine, self._own, self._sessions = None, threading.local(), weakref.WeakSet()

    def close(self) -> None:
        """Close idle connections; a later use connects again."""
        if self._pid != os.getpid():
            self._forget()
            return
        with self._lock:
            engine, sessions = self._engine, list(self._sessions)
            self._engine, self._own, self._sessions = None, threading.local(), weakref.WeakSet()
        for session in sessions:
            session.close()
        if engine is not None:
            with self.dialect.inside(self.options.socket_timeout):
                engine.dispose()

    def transact(
        self, work: Work[T], *, timeout: float | None = None, read: bool = False, alone: bool = False
    ) -> T:
        """Run `work` in one transaction on a connection of this thread or of the pool."""
        if self.dialect.connection_for_each_thread:
            return self._own_session().transact(work, timeout=timeout, read=read)
        session = Session(self)
        try:
            return session.transact(work, timeout=timeout, read=read, alone=alone)
        finally:
            session.close()

    def _own_session(self) -> Session:
        if self._engine is None or self._pid != os.getpid():
            self.engine  # noqa: B018
        session: Session | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = Session(self)
            with self._lock:
                self._sessions.add(session)
        return session


class Session:
    """One connection, for one thread at a time; a broken one is replaced at the next use."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._conn: Connection | None = None

    @property
    def connection(self) -> Connection | None:
        """The connection, where there is one now."""
        return self._conn

    def transact(
        self, work: Work[T], *, timeout: float | None = None, read: bool = False, alone: bool = False
    ) -> T:
        """Run `work` in one transaction, and again where the store undid it because of others.

        `work` must be without effects of its own; `alone`: it is one statement, which commits itself. Raises the
        driver's errors as tq's; a connection that breaks before the commit began is replaced once, after that the
        outcome is in doubt.
        """
        dialect = self._database.dialect
        seconds = self._database.options.socket_timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        tries, fresh = 0, False
        dialect.limit_call(seconds)
        while True:
            tries += 1
            committing = False
            try:
                # First, for it has a lock of its own.
                engine = self._database.engine
                with dialect.inside(deadline - time.monotonic()):
                    conn = self._open(engine)
                    if alone and dialect.stale(conn):
                        # Found out later, nobody would know whether the statement was done.
                        self._drop(True)
                        conn = self._open(engine)
                    dialect.before(conn, deadline - time.monotonic(), read=read, alone=alone)
                    with conn.begin() as transaction:
                        committing = alone
                        value = work(conn)
                        committing = True
                        transaction.commit()
                return value
            except TQError:
                raise
            except FAILURES as exc:
                lost = is_disconnect(exc)
                # After a commit that failed, the transaction stays open on the connection.
                self._drop(lost or committing)
                if lost:
                    # What broke this connection has broken those that lie in the pool as well.
                    self._database.engine.dispose()
                left = deadline - time.monotonic()
                if code(exc) in AGAIN and tries < 6 and left > 0:
                    time.sleep(random.uniform(0, 0.01 * tries))
                    continue
                if lost and not committing and not fresh and left > 0:
                    # It was broken before we came: the server was restarted while it lay in the pool.
                    fresh = True
                    continue
                failed = self._database.faults.translate(exc)
                if isinstance(failed, BrokerUnavailable):
                    failed.in_doubt = committing and code(exc) not in AGAIN
                raise failed from exc
            except BaseException:
                self._drop(True)
                raise

    def _open(self, engine: Engine) -> Connection:
        conn = self._conn
        if conn is None or conn.closed or conn.invalidated or conn.engine.pool is not engine.pool:
            conn = self._conn = engine.connect()
        return conn

    def connect(self) -> Connection:
        """The connection, made now if there is none."""
        try:
            self._database.dialect.limit_call(self._database.options.socket_timeout)
            engine = self._database.engine
            with self._inside():
                return self._open(engine)
        except FAILURES as exc:
            raise self._database.faults.translate(exc) from exc

    def _drop(self, broken: bool) -> None:
        conn = self._conn
        if conn is None or not broken:
            return
        self._conn = None
        try:
            conn.invalidate()
            conn.close()
        except FAILURES:
            return

    def abandon(self) -> None:
        """The connection broke outside of a transaction: the next use makes another."""
        self._drop(True)

    def close(self) -> None:
        """Give the connection back."""
        conn, self._conn = self._conn, None
        if conn is not None:
            try:
                with self._inside():
                    conn.close()
            except FAILURES:
                return

    def _inside(self) -> AbstractContextManager[None]:
        return self._database.dialect.inside(self._database.options.socket_timeout)
