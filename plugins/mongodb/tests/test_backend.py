"""The result backend under the suite that every plugin passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.services.mongodb import MongodbServer
from tests.services.served import OnMongodb
from tq.testing import ResultBackendConformance
from tq.testing.result_kit import ResultKit
from tq_mongodb import MongoBackend


class TestMongoBackend(OnMongodb, ResultBackendConformance):
    """MongoDB as result backend."""

    backend_class = MongoBackend

    @pytest.fixture
    def backend_options(self) -> Mapping[str, Any]:
        return {"operation_timeout": 60.0}

    @pytest.fixture(autouse=True)
    def _patient(self, kit: ResultKit) -> None:
        kit.patience = 20.0  # the emulator needs a millisecond for each document

    @pytest.fixture
    def backend_url(self, server: MongodbServer) -> str:
        return f"{server.url}/results"
