"""The result backend on SQLite keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from tq.testing.results import ResultBackendConformance
from tq_sql import SqlBackend


class TestSqlite(ResultBackendConformance):
    backend_class = SqlBackend

    @pytest.fixture
    def backend_url(self, tmp_path: Path) -> str:
        return f"db+sqlite:///{tmp_path}/results.db"
