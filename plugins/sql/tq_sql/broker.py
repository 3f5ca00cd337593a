"""The broker: messages in a table of an SQL database."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sqlalchemy.engine import Connection

from tq.contracts import Broker, Cap, Subscription
from tq.contracts.jumps import Jumps
from tq.contracts.transactions import own_transaction
from tq.errors import BackendError, BackendUnavailable, BrokerError, BrokerUnavailable, PublishError
from tq.options import mask_url
from tq.records import (
    Action,
    Channel,
    DeadLetter,
    Delivery,
    Envelope,
    Finding,
    Heartbeat,
    Lock,
    Notice,
    QueueStats,
    Revocation,
)
from tq.wire.locks import locked
from tq_sql.announcing import Announcements
from tq_sql.backend import SqlBackend
from tq_sql.checkup import check_up
from tq_sql.consumer import SqlConsumer
from tq_sql.database import FAILURES, Database, Session
from tq_sql.enqueue import GuestInlet, Own
from tq_sql.faults import broker_faults, is_about_data, refused
from tq_sql.inspection import Inspection
from tq_sql.options import SqlOptions
from tq_sql.parcels import Parcel, queues_of, wrap
from tq_sql.revocations import Revocations
from tq_sql.schema import ensure_tables
from tq_sql.store import Store
from tq_sql.subscription import SqlSubscription
from tq_sql.tables import DELAYED, READY, make_tables
from tq_sql.urls import read_url


class SqlBroker(Broker):
    """`sqlite:///path`, `postgresql://…`, `mysql://…`, `mariadb://…`, and the same behind `sqla+`."""

    api_version: ClassVar[int] = 1
    capabilities: ClassVar[Cap] = (
        Cap.DELAY
        | Cap.ORDER
        | Cap.PRIORITY
        | Cap.LEASE
        | Cap.ATTEMPTS
        | Cap.ATOMIC_PUBLISH
        | Cap.DEAD_LETTERS
        | Cap.STATS
        | Cap.PURGE
        | Cap.UNIQUE
        | Cap.LOCKS
        | Cap.REVOKE
        | Cap.BROADCAST
        | Cap.DURABLE
        | Cap.SHARED
    )
    options_type = SqlOptions

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        address = read_url(url)
        super().__init__(address.own, options)
        self.url = url
        self._address = address
        prefix = self.options.table_prefix
        faults = broker_faults(url)
        self._database = Database(address, self.options, faults, self._prepare)
        dialect = self._database.dialect
        tables = make_tables(prefix, dialect.now)
        self._store = Store(dialect, tables, faults, f"{prefix}m")
        self._inspection = Inspection(dialect, tables)
        self._revocations = Revocations(dialect, tables)
        self._announcements = Announcements(dialect, tables, f"{prefix}a")
        self._guests = GuestInlet(dialect, tables)
        self._joined: SqlBackend | None = None
        self._jumps = Jumps()

    def _prepare(self, conn: Connection) -> None:
        store = self._store
        ensure_tables(conn, store.dialect, store.tables, store.faults, create=self.options.create_tables)

    # -- publish -------------------------------------------------------------------------------------------

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        deadline = time.monotonic() + timeout
        errors: list[Exception | None] = [None] * len(batch)
        largest = self._database.limits(timeout).largest
        parcels: dict[int, Parcel] = {}
        for at, envelope in enumerate(batch):
            try:
                parcels[at] = wrap(envelope, largest)
            except PublishError as exc:
                errors[at] = exc
        if not parcels:
            return errors
        try:
            places = list(parcels)
            for at, owner in self._put(list(parcels.values()), deadline).items():
                errors[places[at]] = locked(batch[places[at]], owner, self.url)
        except BrokerUnavailable:
            raise
        except BrokerError as exc:
            if not is_about_data(exc.__cause__) or own_transaction.get() is not None:
                raise
            if len(parcels) == 1:
                errors[next(iter(parcels))] = refused(exc)
            else:
                self._put_singly(batch, parcels, errors, deadline)
        return errors

    def joins_transaction(self, transaction: object) -> bool:
        return isinstance(transaction, Own) and transaction.is_in(self._address)

    def _put_into(self, own: Own, parcels: Sequence[Parcel], deadline: float) -> dict[int, str]:
        """Put them into the caller's own transaction."""
        store = self._store
        try:
            with store.dialect.inside(deadline - time.monotonic()):
                conn = own.connection()
                refused = self._guests.put(conn, parcels)
                store.messages_bell.ring_inside(conn, queues_of(parcels))
        except FAILURES as exc:
            raise store.faults.translate(exc) from exc
        return refused

    def _put(self, parcels: Sequence[Parcel], deadline: float) -> dict[int, str]:
        store = self._store
        own = own_transaction.get()
        if own is not None and isinstance(own, Own):
            return self._put_into(own, parcels, deadline)
        queues = queues_of(parcels)

        def put(conn: Connection) -> dict[int, str]:
            refused = store.inlet.put(conn, parcels)
            store.messages_bell.ring_inside(conn, queues)
            return refused

        if store.dialect.notifies and all(p.simple for p in parcels):
            self._database.transact(
                lambda conn: store.inlet.put_alone(conn, parcels, store.topic),
                timeout=deadline - time.monotonic(),
                alone=True,
            )
            return {}
        refused = self._database.transact(put, timeout=deadline - time.monotonic())
        store.messages_bell.ring(queues, len(parcels))
        return refused

    def _put_singly(
        self,
        batch: Sequence[Envelope],
        parcels: Mapping[int, Parcel],
        errors: list[Exception | None],
        deadline: float,
    ) -> None:
        """The store refused the batch, and undid it: find out which of them it does not take."""
        for at, parcel in parcels.items():
            try:
                for owner in self._put([parcel], deadline).values():
                    errors[at] = locked(batch[at], owner, self.url)
            except BrokerError as exc:
                if not is_about_data(exc.__cause__):
                    raise
                errors[at] = refused(exc)

    # -- consumers -----------------------------------------------------------------------------------------

    def consumer(self, queues: Sequence[str], consumer_id: str, *, lease: float) -> SqlConsumer:
        self._hurry(lease)
        if self._joined is not None:
            self._prepare_results(self._joined)
        session = Session(self._database)
        try:
            key = session.transact(lambda conn: self._store.leases.register(conn, consumer_id, queues, lease))
        except BaseException:
            session.close()
            raise
        return SqlConsumer(self._store, session, queues, consumer_id, key)

    def heartbeat(self, beats: Sequence[Heartbeat], *, lease: float) -> Sequence[bool]:
        self._hurry(lease)
        return self._database.transact(lambda conn: self._store.leases.beat(conn, beats, lease))

    def _hurry(self, lease: float) -> None:
        self._database.hurry(lease)
        self._jumps.lease = lease

    def held(self, consumer_id: str, receipts: Sequence[int]) -> Sequence[Delivery]:
        return self._database.transact(
            lambda conn: self._store.leases.held(conn, consumer_id, receipts), read=True
        )

    def release(
        self,
        consumer_id: str,
        *,
        running: Sequence[int] = (),
        action: Action = Action.REQUEUE,
        reason: str = "",
        max_attempts: int = 3,
    ) -> Sequence[Delivery]:
        dead, queues = self._database.transact(
            lambda conn: self._store.bury(conn, consumer_id, running, action, reason, max_attempts)
        )
        self._ring_all(queues)
        return dead

    def maintain(self, queues: Sequence[str], *, max_attempts: int = 3) -> Sequence[Delivery]:
        asked = time.monotonic()
        due, late, old, now = self._database.transact(self._store.leases.overdue, read=True)
        self._jumps.tell(asked, now)
        late = late and not self._jumps.after_one()
        if not (due or late or old):
            return ()
        dead, touched = self._database.transact(
            lambda conn: self._store.time_passes(conn, due, late, old, max_attempts)
        )
        self._ring_all(touched)
        return dead

    def _ring_all(self, queues: Sequence[str]) -> None:
        """How many went back is not counted, so everybody looks."""
        if queues:
            self._store.messages_bell.ring(sorted(set(queues)), 1000)

    def findings(self) -> Sequence[Finding]:
        return self._database.transact(check_up(self._database.dialect, self._address), read=True)

    # -- looking into queues -------------------------------------------------------------------------------

    def stats(self, queue: str) -> QueueStats:
        return self._database.transact(lambda conn: self._inspection.stats(conn, queue), read=True)

    def purge(self, queue: str) -> int:
        gone = 0
        for state in (READY, DELAYED):
            while removed := self._purge_some(queue, state):
                gone += removed
        return gone

    def _purge_some(self, queue: str, state: Any) -> int:
        return self._database.transact(lambda conn: self._inspection.purge(conn, queue, state))

    def dead_letters(self, queue: str, *, limit: int = 100) -> Sequence[DeadLetter]:
        return self._database.transact(
            lambda conn: self._inspection.dead_letters(conn, queue, limit), read=True
        )

    def requeue_dead(self, queue: str, ids: Sequence[str]) -> int:
        def requeue(conn: Connection) -> int:
            count = self._inspection.requeue_dead(conn, queue, ids)
            self._store.messages_bell.ring_inside(conn, [queue])
            return count

        count = self._database.transact(requeue)
        self._ring_all([queue])
        return count

    def drop_dead(self, queue: str, ids: Sequence[str]) -> int:
        return self._database.transact(lambda conn: self._inspection.drop_dead(conn, queue, ids))

    # -- locks and revocations ---------------------------------------------------------------------------------------

    def unlock(self, queue: str, locks: Sequence[Lock]) -> None:
        self._database.transact(lambda conn: self._store.locks.end(conn, [(queue, lock) for lock in locks]))

    def revoke(self, batch: Sequence[Revocation], *, expires: float) -> None:
        if batch:
            self._database.transact(lambda conn: self._revocations.add(conn, batch, expires))

    def revoked(self, after: int = 0) -> tuple[int, Sequence[Revocation]]:
        return self._database.transact(lambda conn: self._revocations.since(conn, after), read=True)

    # -- announcements -------------------------------------------------------------------------------------

    def announce(self, batch: Sequence[Notice], *, timeout: float) -> Sequence[Exception | None]:
        said = self._announcements
        largest = self._database.limits(timeout).largest if batch else None
        rows, answers = said.rows_of(batch, largest, mask_url(self.url))
        if rows:
            self._database.transact(lambda conn: said.add(conn, rows), timeout=timeout)
            if said.is_due():
                self._database.transact(said.sweep, timeout=timeout)
        return answers

    def subscribe(
        self, channel: Channel, pattern: str = "", *, queue: str = "", ttl: float = 60.0
    ) -> Subscription:
        session = Session(self._database)
        try:
            return SqlSubscription(self._announcements, session, self._store.faults, channel, pattern)
        except BaseException:
            session.close()
            raise

    # -- the rest ------------------------------------------------------------------------------------------

    def joins(self, backend: object) -> bool:
        """From now on settlements store their results, if they lie in the same database."""
        if not isinstance(backend, SqlBackend) or backend.place.identity != self._address.identity:
            return False
        self._joined = backend
        self._store.to_row = backend.to_row
        self._store.store_rows = backend.store_rows
        self._store.results_bell = backend.bell
        return True

    def _prepare_results(self, backend: SqlBackend) -> None:
        """The first settlement with a result finds Celery's tables in place."""
        try:
            backend.prepare()
        except BackendUnavailable as exc:
            raise self._store.faults.later(str(exc)) from exc
        except BackendError as exc:
            raise self._store.faults.failed(str(exc)) from exc

    def after_fork(self) -> None:
        self._database.after_fork()

    def close(self) -> None:
        self._database.close()
