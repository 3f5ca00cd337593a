"""One reader of queues: settles, claims and waits on a connection of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy.engine import Connection

from tq.contracts import Consumer
from tq.errors import BrokerError, LeaseLost
from tq.options import mask_url
from tq.records import Action, Delivery, Settlement
from tq_sql.bell import Interrupt, Waiter
from tq_sql.database import FAILURES, Session
from tq_sql.deliveries import in_order
from tq_sql.faults import is_about_data, refused
from tq_sql.settling import Closing, close_up, new_in

if TYPE_CHECKING:
    from tq_sql.store import Store


class SqlConsumer(Consumer):
    """Made by `SqlBroker.consumer`; belongs to one thread at a time, but for `interrupt`."""

    def __init__(self, store: Store, session: Session, queues: Sequence[str], name: str, key: int) -> None:
        self.id = name
        self._key = key
        self._queues = tuple(dict.fromkeys(queues))
        self._store = store
        self._session = session
        self._claim = store.dialect.claim(store.tables, self._queues)
        self._look = store.leases.look(self._queues)
        self._interrupt = Interrupt()
        self._waiter: Waiter | None = None
        self._waits_on: Connection | None = None
        self._idle = False
        self._known: set[int] = set()
        """Receipts that were handed out and are not settled."""
        self._doubt = False
        """A connection broke: what its last transaction lent may be held here, and not be known."""
        self._closed = False

    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        return self.turn((), limit, wait)[1]

    def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
        return self.turn(batch, 0, 0.0)[0] if batch else ()

    def turn(
        self, batch: Sequence[Settlement], limit: int, wait: float
    ) -> tuple[Sequence[bool], Sequence[Delivery]]:
        """Settle and claim in one transaction; then wait, if nothing was there."""
        self._check_open()
        try:
            settled, rows = self._settle_and_claim(batch, limit, wait)
        except LeaseLost:
            raise
        except BrokerError as exc:
            self._doubt = True
            if batch and is_about_data(exc.__cause__):
                # Trying again would not help: whoever called finds out which of them it is.
                raise refused(exc) from exc
            raise
        self._known.difference_update(int(settlement.delivery.receipt) for settlement in batch)
        self._known.update(int(row.receipt) for row in rows)
        return settled, rows

    def _settle_and_claim(
        self, batch: Sequence[Settlement], limit: int, wait: float
    ) -> tuple[Sequence[bool], Sequence[Delivery]]:
        deadline = time.monotonic() + wait
        if self._idle and not self._doubt and not batch and limit > 0 and wait > 0:
            # Who waits all the time need not ask for the lock of a writer each time.
            return (), self._found(self._wait(limit, deadline))
        closings = [close_up(s, self._store.to_row, self._store.dialect.largest) for s in batch]
        settled, rows, done = self._session.transact(lambda conn: self._turn(conn, closings, limit))
        if limit > 0:
            self._doubt = False
        self._ring(done)
        if rows or limit <= 0 or wait <= 0:
            return settled, self._found(rows) if limit > 0 else rows
        return settled, self._found(self._wait(limit, deadline))

    def _found(self, rows: Sequence[Delivery]) -> Sequence[Delivery]:
        self._idle = not rows
        if rows and self._waiter is not None:
            self._waiter.busy()
        return rows

    def _turn(
        self, conn: Connection, batch: Sequence[Closing], limit: int
    ) -> tuple[list[bool], list[Delivery], list[Closing]]:
        if not self._store.leases.alive(conn, self._key):
            if limit > 0:
                raise self._lost()
            return [False] * len(batch), [], []
        settled: list[bool] = []
        done: list[Closing] = []
        if batch:
            settled, done = self._store.outlet.settle(conn, self._key, batch, self._store.store_rows)
            self._ring_inside(conn, done)
        return settled, self._rows(conn, limit) if limit > 0 else [], done

    def _rows(self, conn: Connection, limit: int) -> list[Delivery]:
        if self._doubt:
            forgotten = [
                row for row in self._store.leases.lent(conn, self._key) if row.receipt not in self._known
            ]
            if forgotten:
                return forgotten
        return in_order(self._claim(conn, self._key, limit), self._queues)

    # -- waiting -------------------------------------------------------------------------------------------

    def _wait(self, limit: int, deadline: float) -> Sequence[Delivery]:
        rows: Sequence[Delivery]
        news = False
        try:
            while True:
                # In this order nothing is missed: what comes after the look rings the bell.
                waiter = self._armed()
                if news and (rows := self._grab(limit, None)):
                    return rows
                alive, ready, due_in = self._session.transact(self._peek, read=True)
                if not alive:
                    raise self._lost()
                rows = self._grab(limit, due_in) if ready else ()
                left = deadline - time.monotonic()
                if rows or self._interrupt.take() or left <= 0:
                    return rows
                if self._session.connection is not self._waits_on:
                    continue  # the connection was replaced, and nobody listens on the new one yet
                news = self._listen(waiter, left if due_in is None else max(0.0, min(left, due_in)))
                if not news and time.monotonic() >= deadline:
                    return ()
        finally:
            if self._waiter is not None:
                self._waiter.disarm()

    def _listen(self, waiter: Waiter, seconds: float) -> bool:
        try:
            return waiter.wait(seconds)
        except FAILURES as exc:
            raise self._store.faults.translate(exc) from exc

    def _peek(self, conn: Connection) -> tuple[bool, bool, float | None]:
        row = conn.execute(self._look, {"me": self._key}).one()
        due_in = None if row.due_in is None else float(row.due_in)
        return bool(row.alive), bool(row.ready) or (due_in is not None and due_in <= 0), due_in

    def _grab(self, limit: int, due_in: float | None) -> list[Delivery]:
        due = due_in is not None and due_in <= 0
        return self._session.transact(lambda conn: self._promote_and_claim(conn, limit, due))

    def _promote_and_claim(self, conn: Connection, limit: int, due: bool) -> list[Delivery]:
        if not self._store.leases.alive(conn, self._key):
            raise self._lost()
        if due:
            self._store.leases.promote(conn)
        return in_order(self._claim(conn, self._key, limit), self._queues)

    def _armed(self) -> Waiter:
        """A waiter on the present connection; a broken one may have been replaced meanwhile."""
        conn = self._session.connection
        if conn is None or conn is not self._waits_on or self._waiter is None:
            self._drop_waiter()
            conn = self._session.connect()
            self._waiter = self._store.messages_bell.waiter(conn, self._interrupt, self._queues)
            self._waits_on = conn
        try:
            self._waiter.arm()
        except FAILURES as exc:
            raise self._store.faults.translate(exc) from exc
        return self._waiter

    def _drop_waiter(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.close()

    def interrupt(self) -> None:
        self._interrupt.set()

    # -- the rest ------------------------------------------------------------------------------------------

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._drop_waiter()
        try:
            _, queues = self._session.transact(
                lambda conn: self._store.bury(conn, self.id, (), Action.REQUEUE, "", 0)
            )
            self._store.messages_bell.ring(queues, len(queues))
        except BrokerError:
            # The lease ends by itself, and what was held goes back then.
            return
        finally:
            self._session.close()
            self._interrupt.close()

    def _ring_inside(self, conn: Connection, done: Sequence[Closing]) -> None:
        queues, results = sorted(set(new_in(done))), _results(done)
        if queues:
            self._store.messages_bell.ring_inside(conn, queues)
        if results and self._store.results_bell is not None:
            self._store.results_bell.ring_inside(conn, results)

    def _ring(self, done: Sequence[Closing]) -> None:
        queues, results = new_in(done), _results(done)
        if queues:
            self._store.messages_bell.ring(sorted(set(queues)), len(queues))
        if results and self._store.results_bell is not None:
            self._store.results_bell.ring(results, len(results))

    def _check_open(self) -> None:
        if self._closed:
            raise self._store.faults.failed(f"the consumer {self.id} is closed")

    def _lost(self) -> LeaseLost:
        url = mask_url(self._store.faults.url)
        return LeaseLost(f"the lease of consumer {self.id} on {url} was taken over by others", url=url)


def _results(done: Sequence[Closing]) -> list[str]:
    return [closing.result["task_id"] for closing in done if closing.result is not None]
