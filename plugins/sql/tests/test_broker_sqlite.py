"""The broker on SQLite keeps the contract."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tq.testing import BrokerConformance
from tq_sql import SqlBroker


class TestSqlite(BrokerConformance):
    broker_class = SqlBroker

    @pytest.fixture
    def broker_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/tq.db"

    @pytest.fixture
    def put_raw(self, broker_url: str) -> Callable[[str, bytes], None]:
        def put(queue: str, raw: bytes) -> None:
            SqlBroker(broker_url).stats(queue)
            with sqlite3.connect(broker_url.removeprefix("sqlite:///")) as conn:
                conn.execute("INSERT INTO tq_messages (queue, lane, payload) VALUES (?, 9, ?)", (queue, raw))

        return put
