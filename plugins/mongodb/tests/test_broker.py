"""The broker under the suite that every plugin passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pymongo
import pytest

from tests.services.mongodb import MongodbServer
from tests.services.served import BehindProxy, OnMongodb
from tq.testing import BrokerConformance
from tq.testing.broker_kit import BrokerKit
from tq_mongodb import MongoBroker


class TestMongoBroker(OnMongodb, BehindProxy, BrokerConformance):
    """MongoDB as broker."""

    broker_class = MongoBroker
    many = 100
    model_examples = 4
    proxied = "?directConnection=true"

    @pytest.fixture
    def broker_options(self) -> Mapping[str, Any]:
        return {"operation_timeout": 60.0}

    @pytest.fixture(autouse=True)
    def _patient(self, kit: BrokerKit) -> None:
        kit.patience = 20.0  # the emulator needs a millisecond for each document

    @pytest.fixture
    def broker_url(self, server: MongodbServer) -> str:
        return f"{server.url}/conformance"

    @pytest.fixture
    def put_raw(self, broker_url: str) -> Callable[[str, bytes], None]:
        def put(queue: str, raw: bytes) -> None:
            client: pymongo.MongoClient[dict[str, Any]]
            with pymongo.MongoClient(broker_url) as client:
                document: Any = {"q": queue, "s": "ready", "u": 9, "o": 1, "a": 1, "raw": raw}
                client["conformance"]["tq_messages"].insert_one(document)

        return put
