"""The result backend keeps the contract, on every database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services.mariadb import MariadbServer
from tests.services.postgres import PostgresServer
from tq.testing import ResultBackendConformance
from tq_sql import SqlBackend


class TestSqlite(ResultBackendConformance):
    backend_class = SqlBackend

    @pytest.fixture
    def backend_url(self, tmp_path: Path) -> str:
        return f"db+sqlite:///{tmp_path}/results.db"


class TestPostgresql(ResultBackendConformance):
    backend_class = SqlBackend

    @pytest.fixture
    def backend_url(self, module_postgres: str) -> str:
        return f"db+{module_postgres}"

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"db+postgresql://someone:s3cret@127.0.0.1:{free_port}/tq"

    @pytest.fixture
    def restart_service(self, shared_postgres: PostgresServer) -> Callable[[], None]:
        return shared_postgres.restart


class TestMariadb(ResultBackendConformance):
    backend_class = SqlBackend

    @pytest.fixture
    def backend_url(self, module_mariadb: str) -> str:
        return f"db+{module_mariadb}"

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"db+mysql://someone:s3cret@127.0.0.1:{free_port}/tq"

    @pytest.fixture
    def restart_service(self, shared_mariadb: MariadbServer) -> Callable[[], None]:
        return shared_mariadb.restart
