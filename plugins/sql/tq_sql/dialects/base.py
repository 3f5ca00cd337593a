"""What differs between databases; everything else is SQLAlchemy's business."""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine

from tq_sql.bell import Bell
from tq_sql.options import SqlOptions
from tq_sql.tables import Tables

Claim: TypeAlias = Callable[[Connection, int, int], Sequence[Any]]
"""(connection, consumer, limit) -> rows of (id, queue, lane, charged, payload), in no order."""
Ready: TypeAlias = tuple[str, int, bytes]
"""A message to store: queue, lane, payload."""


class Dialect(ABC):
    """One kind of database."""

    now: ClassVar[str]
    """SQL for unix seconds by the store's clock."""
    asked: ClassVar[str]
    """The same when the statement began: one value for all rows, so that an index finds those before it."""

    def __init__(self, url: URL, options: SqlOptions) -> None:
        self.url = url
        self.options = options
        self.largest: int | None = None
        """Bytes of the largest message that the server takes; None where it sets no limit that matters."""
        self.patience = options.socket_timeout
        """Seconds that the server may take for one answer."""
        # Of the call that runs on this thread: the pool connects in its name.
        self._call = threading.local()

    def limit_call(self, seconds: float) -> None:
        """A call begins on this thread, which should not take longer than that."""
        self._call.ends = time.monotonic() + seconds

    def call_ends(self) -> float:
        """The moment of the monotonic clock at which the call on this thread should have ended."""
        ends: float = getattr(self._call, "ends", math.inf)
        return ends

    def left(self) -> float:
        """Seconds that the call on this thread may still take."""
        return min(self.options.socket_timeout, max(0.05, self.call_ends() - time.monotonic()))

    def connect_seconds(self) -> float:
        """How long connecting may take now."""
        return min(self.options.connect_timeout, max(0.1, self.call_ends() - time.monotonic()))

    @property
    def abandoned(self) -> int:
        """Seconds after which the server ends a transaction whose client says nothing: it may be gone, and
        what it has locked would stay locked for hours."""
        return math.ceil(self.patience) + 1

    def inside(self, seconds: float) -> AbstractContextManager[None]:
        """Wraps whatever calls the driver; enters within `seconds` or raises `TimeoutError`."""
        return nullcontext()

    @abstractmethod
    def engine(self) -> Engine:
        """Make an engine; nothing connects yet. Raises ImportError without the driver."""

    @abstractmethod
    def bell(self, topic: str, *, shared: bool) -> Bell:
        """Who rings, and who hears, when something was stored under `topic`; `shared`: all need to hear."""

    def preparing(self, conn: Connection) -> Connection:
        """The connection that looks for tables and makes them, in as few round trips as can be."""
        return conn

    def ddl(self, conn: Connection, statements: Sequence[Any]) -> list[str]:
        """Statements that create tables, sequences and indexes, as text."""
        return [str(statement.compile(dialect=conn.dialect)).strip() for statement in statements]

    def script(self, conn: Connection, name: str, statements: Sequence[str]) -> None:
        """Run statements in one transaction, one process at a time for one `name`."""
        with conn.begin():
            for statement in statements:
                conn.exec_driver_sql(statement)

    @abstractmethod
    def among(self, column: sa.ColumnElement[int], key: str) -> sa.ColumnElement[bool]:
        """`column` is one of the ids in the parameter `key`."""

    def ids(self, ids: Sequence[int]) -> Any:
        """The value of a parameter of `among`."""
        return list(ids)

    def skip_locked(self, query: sa.Select[Any]) -> sa.Select[Any]:
        """Lock the rows of `query`, without those that others have locked."""
        return query

    def started(self, conn: Connection) -> None:
        """Called once for each process, on its first connection."""

    def before(self, conn: Connection, seconds: float, *, read: bool, alone: bool = False) -> None:
        """Called before each transaction: it should not take longer than that, may only read, or is one statement."""

    def stale(self, conn: Connection) -> bool:
        """Whether the server has hung up on this connection, as far as one can tell without asking it."""
        return False

    def insert_and_ring(
        self, conn: Connection, tables: Tables, rows: Sequence[Ready], topic: str, names: Collection[str]
    ) -> None:
        """`insert` and the bell of these names in one statement, for dialects of which `notifies` is true."""
        raise NotImplementedError

    notifies: ClassVar[bool] = False
    """Its bell rings in the transaction that stores, and `insert_and_ring` is such a one by itself, in one round trip."""

    shared: ClassVar[str] = ""
    """Ends a SELECT whose rows are not to be deleted before the transaction ends."""
    connection_for_each_thread: ClassVar[bool] = False
    """Connections cost nothing while idle, so each thread keeps its own instead of asking the pool."""
    deletes_return: ClassVar[bool] = True
    """DELETE … RETURNING."""

    @abstractmethod
    def insert(self, conn: Connection, tables: Tables, rows: Sequence[Ready]) -> None:
        """Store ready messages."""

    @abstractmethod
    def remove(self, conn: Connection, tables: Tables, me: int, ids: Sequence[int]) -> int:
        """Delete those of these messages that consumer `me` holds; how many."""

    @abstractmethod
    def new_uniques(self, conn: Connection, tables: Tables, ids: Sequence[str], ttl: float) -> set[str]:
        """Remember these task ids for `ttl` seconds; return those that were not known."""

    @abstractmethod
    def insert_new(self, table: sa.Table) -> sa.Insert:
        """Insert a row, unless its key is there already."""

    @abstractmethod
    def claim(self, tables: Tables, queues: Sequence[str]) -> Claim:
        """How a consumer of `queues` takes messages."""

    @abstractmethod
    def upsert(self, table: sa.Table, key: str, keep: sa.ColumnElement[bool]) -> sa.Insert:
        """Insert rows; where `key` is there already, set all other columns, but not in rows that `keep`."""


def clock(dialect: Dialect) -> sa.ColumnElement[float]:
    """The store's clock as an expression."""
    return sa.literal_column(dialect.now, sa.Double)


def asked(dialect: Dialect) -> sa.ColumnElement[float]:
    """When the statement began, by the store's clock: for conditions that an index is to answer."""
    return sa.literal_column(dialect.asked, sa.Double)


def candidates(
    dialect: Dialect, tables: Tables, queue: Any, at: int, limit: sa.BindParameter[int]
) -> sa.Select[Any]:
    """The head of one queue, the `at`-th of the consumer's: (id, lane, turn, size)."""
    c = tables.messages.c
    query = (
        sa.select(
            c.id, c.lane, sa.literal_column(str(at), sa.Integer).label("turn"),
            sa.func.length(c.payload).label("size"),
        )
        .where(c.queue == queue, c.state == sa.literal_column("0"))
        .order_by(c.lane, c.id)
        .limit(limit)
    )  # fmt: skip
    return dialect.skip_locked(query)


def within(heads: Any, limit: sa.BindParameter[int]) -> sa.Select[Any]:
    """The most urgent of `heads`, up to `limit` and until `max_bytes` are reached: (id, bytes before it)."""
    c = heads.c
    order = (c.lane, c.turn, c.id)
    before = (sa.func.sum(c.size).over(order_by=order, rows=(None, 0)) - c.size).label("before")
    sums = sa.select(c.id, before).order_by(*order).limit(limit).subquery("sums")
    return sa.select(sums.c.id, sums.c.before).where(
        sums.c.before < sa.bindparam("max_bytes", type_=sa.BigInteger)
    )


def first_of(found: sa.CTE) -> sa.ScalarSelect[Any]:
    """The id of the first of the rows of `within`."""
    return sa.select(found.c.id).where(found.c.before == 0).limit(1).scalar_subquery()


def counts_since(dialect: Dialect, first: sa.ColumnElement[bool]) -> sa.ColumnElement[Any]:
    """For `due_at` of a row that is lent: now where `first`, and nothing elsewhere; see `tables.py`."""
    return sa.case((first, clock(dialect)), else_=sa.null())
