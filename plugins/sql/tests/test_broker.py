"""The broker keeps the contract, on every database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.services.served import BehindProxy, OnMariadb, OnPostgresql
from tq.testing import BrokerConformance
from tq_sql import SqlBroker


class SqlConformance(BrokerConformance):
    """What the databases have in common."""

    broker_class = SqlBroker

    @pytest.fixture
    def put_raw(self, broker_url: str) -> Iterator[Callable[[str, bytes], None]]:
        engine = sa.create_engine(broker_url)
        statement = sa.text("INSERT INTO tq_messages (queue, lane, payload) VALUES (:queue, 9, :raw)")

        def put(queue: str, raw: bytes) -> None:
            SqlBroker(broker_url).stats(queue)  # makes the tables
            with engine.begin() as conn:
                conn.execute(statement, {"queue": queue, "raw": raw})

        yield put
        engine.dispose()


class TestSqlite(SqlConformance):
    @pytest.fixture
    def broker_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/tq.db"


class TestPostgresql(OnPostgresql, BehindProxy, SqlConformance):
    @pytest.fixture
    def broker_url(self, module_postgres: str) -> str:
        return module_postgres

    @pytest.fixture
    def wrong_password_url(self, wrong_password_postgres: str) -> str:
        return wrong_password_postgres


class TestMariadb(OnMariadb, BehindProxy, SqlConformance):
    scheme = "mariadb"

    @pytest.fixture
    def broker_url(self, module_mariadb: str) -> str:
        return module_mariadb

    @pytest.fixture
    def wrong_password_url(self, wrong_password_mariadb: str) -> str:
        return wrong_password_mariadb
