"""What the tests of this plugin share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pymongo
import pytest
from pymongo.database import Database

from tq.testing.broker_kit import BrokerKit
from tq.wire.json import JsonSerializer
from tq_mongodb import MongoBackend, MongoBroker

Raw = Database[dict[str, Any]]
NewBackend = Callable[..., MongoBackend]


@pytest.fixture
def kit(mongodb_url: str) -> Iterator[BrokerKit]:
    """Brokers and consumers on a database of their own."""
    made = BrokerKit(MongoBroker, mongodb_url, {"operation_timeout": 60.0}, 1.0)
    made.patience = 20.0
    yield made
    made.close()


@pytest.fixture
def raw(mongodb_url: str) -> Iterator[Raw]:
    """That database, as any other program sees it."""
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(mongodb_url, tz_aware=True)
    yield client.get_default_database()
    client.close()


@pytest.fixture
def backend_at() -> Iterator[NewBackend]:
    """Make backends: `backend_at(url, expires=60, serializer=..., option=value, ...)`."""
    made: list[MongoBackend] = []

    def make(
        url: str, expires: float | None = 3600.0, serializer: Any = None, **options: Any
    ) -> MongoBackend:
        options.setdefault("operation_timeout", 60.0)
        made.append(MongoBackend(url, options, serializer=serializer or JsonSerializer(), expires=expires))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def backend(mongodb_url: str, backend_at: NewBackend) -> MongoBackend:
    """A backend on a database of its own."""
    return backend_at(mongodb_url)
