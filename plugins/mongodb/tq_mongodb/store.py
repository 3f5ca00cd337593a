"""One database: connected on first use, with a deadline for each call, and with the server's clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import pymongo
from pymongo import IndexModel
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import ConfigurationError, InvalidName, InvalidURI, OperationFailure
from pymongo.uri_parser import parse_uri

from tq.errors import (
    BackendError,
    BackendUnavailable,
    BrokerError,
    BrokerUnavailable,
    ImproperlyConfigured,
)
from tq.options import mask_url
from tq_mongodb.clock import Clock
from tq_mongodb.faults import FAULTS, explain, refused_login
from tq_mongodb.options import Options, durability

T = TypeVar("T")
Mongo = Database[dict[str, Any]]
_INDEX_CONFLICTS = (85, 86)
"""IndexOptionsConflict, IndexKeySpecsConflict."""


class Store:
    """The database that a URL names; any number of threads may use it. `prepare` is called once it is connected."""

    def __init__(
        self,
        url: str,
        options: Options,
        database: str,
        *,
        for_results: bool,
        prepare: Callable[[Mongo], None],
    ) -> None:
        self.shown = mask_url(url)
        self._url = url
        self.durable = bool(durability(url))
        """A write waits for a majority and the journal: the URL says nothing else."""
        self._options = options
        self._for_results = for_results
        self._prepare = prepare
        self._name = options.database or _database(url, self.shown) or database
        self._lock = threading.Lock()
        self._database: Mongo | None = None
        self._prepared = False
        self._clock = Clock(self._local_time)

    def run(self, doing: str, call: Callable[[Mongo], T], timeout: float | None = None) -> T:
        """`call` the database; `doing` completes "cannot ...". Raises `BrokerError` or `BackendError`."""
        try:
            with pymongo.timeout(self._options.operation_timeout if timeout is None else timeout):
                return call(self._ready())
        except FAULTS as exc:
            if refused_login(exc):
                # The pool would now wait longer and longer before it says so again.
                self.close()
            raise self.fail(exc, doing) from exc

    def now(self) -> float:
        """Unix seconds by the server's clock."""
        return self._clock.now()

    def fail(self, error: Exception, doing: str) -> Exception:
        """The error to raise."""
        sentence, later = explain(error, self.shown, doing)
        if isinstance(error, (InvalidURI, ConfigurationError)) and "wire version" not in sentence:
            return ImproperlyConfigured(sentence)
        if self._for_results:
            return (BackendUnavailable if later else BackendError)(sentence, url=self.shown)
        return (BrokerUnavailable if later else BrokerError)(sentence, url=self.shown)

    def close(self) -> None:
        """Close all connections; the next call connects again."""
        with self._lock:
            database, self._database = self._database, None
        if database is not None:
            database.client.close()

    def after_fork(self) -> None:
        """Leave inherited connections to the parent process: closing them would take locks of its threads."""
        self._lock = threading.Lock()
        self._database = None

    def _local_time(self) -> float:
        hello = self.run("read the clock", lambda db: db.command("hello"))
        return float(hello["localTime"].timestamp())

    def _ready(self) -> Mongo:
        with self._lock:
            if self._database is None:
                self._database = self._open()
            database = self._database
        if not self._prepared:
            self._prepare(database)
            self._prepared = True
        return database

    def _open(self) -> Mongo:
        client = self._connect()
        try:
            return client[self._name]
        except InvalidName:
            client.close()
            raise

    def _connect(self) -> pymongo.MongoClient[dict[str, Any]]:
        milliseconds = round(self._options.operation_timeout * 1000)
        try:
            return pymongo.MongoClient(
                self._url,
                tz_aware=True,
                appname="tq",
                maxPoolSize=self._options.max_pool_size,
                connectTimeoutMS=milliseconds,
                serverSelectionTimeoutMS=milliseconds,
                **durability(self._url),
            )
        except (OSError, ValueError) as exc:
            # A file of certificates, or the value of an option.
            raise ImproperlyConfigured(f"{self.shown} cannot be used: {exc}") from exc


def make_indexes(table: Collection[dict[str, Any]], indexes: list[IndexModel]) -> None:
    """Make indexes where they are missing; one of the same fields or name that somebody else made will do."""
    for index in indexes:
        try:
            table.create_indexes([index])
        except OperationFailure as exc:
            if exc.code not in _INDEX_CONFLICTS:
                raise


def _database(url: str, shown: str) -> str | None:
    if url.startswith("mongodb+srv://"):
        # Reading such a URL asks the DNS, so only its path is looked at.
        path = url.partition("://")[2].rpartition("@")[2].partition("/")[2]
        return path.partition("?")[0] or None
    try:
        name: str | None = parse_uri(url)["database"]
    except (InvalidURI, ConfigurationError, ValueError, OSError) as exc:
        text = str(exc) if "@" not in str(exc) else "quote what is special in user and password"
        raise ImproperlyConfigured(f"{shown} is no MongoDB URL: {text}") from None
    return name
