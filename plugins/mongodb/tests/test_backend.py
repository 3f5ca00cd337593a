"""The result backend under the suite that every plugin passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.services.mongodb import MongodbServer
from tq.testing import ResultBackendConformance
from tq.testing.result_kit import ResultKit
from tq_mongodb import MongoBackend


class TestMongoBackend(ResultBackendConformance):
    """MongoDB as result backend."""

    backend_class = MongoBackend

    @pytest.fixture
    def backend_options(self) -> Mapping[str, Any]:
        return {"operation_timeout": 60.0}

    @pytest.fixture(autouse=True)
    def _patient(self, kit: ResultKit) -> None:
        kit.patience = 20.0  # the emulator needs a millisecond for each document

    @pytest.fixture
    def server(self, request: pytest.FixtureRequest) -> MongodbServer:
        """The session's server; one of its own for a test that restarts it."""
        own = "restart_service" in request.fixturenames
        found = request.getfixturevalue("mongodb_server" if own else "shared_mongodb")
        server: MongodbServer = found() if own else found
        return server

    @pytest.fixture
    def backend_url(self, server: MongodbServer) -> str:
        return f"{server.url}/results"

    @pytest.fixture
    def restart_service(self, server: MongodbServer) -> Callable[[], None]:
        return server.restart

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"mongodb://user:s3cret@127.0.0.1:{free_port}/tq?operation_timeout=1"
