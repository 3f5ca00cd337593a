"""What the parts of one broker share."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.engine import Connection

from tq.records import Action, Delivery
from tq_sql.bell import Bell
from tq_sql.dialects import Dialect
from tq_sql.faults import Faults
from tq_sql.leases import Leases
from tq_sql.locks import Locks
from tq_sql.parcels import Inlet
from tq_sql.settling import Outlet, StoreRows, ToRow
from tq_sql.tables import Tables


class Store:
    """The statements of one broker, and the bells to ring."""

    def __init__(self, dialect: Dialect, tables: Tables, faults: Faults, topic: str) -> None:
        self.dialect = dialect
        self.tables = tables
        self.faults = faults
        self.topic = topic
        self.inlet = Inlet(dialect, tables)
        self.outlet = Outlet(dialect, tables, self.inlet)
        self.leases = Leases(dialect, tables)
        self.locks = Locks(dialect, tables)
        self.messages_bell: Bell = dialect.bell(topic, shared=False)
        # Set when the results lie in the same database, and settlements store them too.
        self.results_bell: Bell | None = None
        self.to_row: ToRow | None = None
        self.store_rows: StoreRows | None = None

    def bury(
        self, conn: Connection, name: str, running: Sequence[int], action: Action, reason: str, limit: int
    ) -> tuple[list[Delivery], list[str]]:
        """`Leases.bury`, and tell who waits."""
        dead, queues = self.leases.bury(conn, name, running, action, reason, limit)
        if queues:
            self.messages_bell.ring_inside(conn, queues)
        return dead, queues

    def time_passes(
        self, conn: Connection, due: bool, late: bool, old: bool, limit: int
    ) -> tuple[list[Delivery], list[str]]:
        """Promote, reap and forget; returns new dead letters, and the queues that got something."""
        queues = self.leases.promote(conn) if due else []
        dead: list[Delivery] = []
        if late:
            dead, back = self.leases.reap(conn, limit)
            queues = queues + back
        if old:
            self.leases.forget_uniques(conn)
            self.locks.forget(conn)
        if queues:
            self.messages_bell.ring_inside(conn, sorted(set(queues)))
        return dead, queues
