"""The result backend keeps the contract, on every database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.served import OnMariadb, OnPostgresql
from tq.testing import ResultBackendConformance
from tq_sql import SqlBackend


class TestSqlite(ResultBackendConformance):
    backend_class = SqlBackend

    @pytest.fixture
    def backend_url(self, tmp_path: Path) -> str:
        return f"db+sqlite:///{tmp_path}/results.db"


class TestPostgresql(OnPostgresql, ResultBackendConformance):
    scheme = "db+postgresql"
    backend_class = SqlBackend

    @pytest.fixture
    def backend_url(self, module_postgres: str) -> str:
        return f"db+{module_postgres}"


class TestMariadb(OnMariadb, ResultBackendConformance):
    scheme = "db+mysql"
    backend_class = SqlBackend

    @pytest.fixture
    def backend_url(self, module_mariadb: str) -> str:
        return f"db+{module_mariadb}"
