"""The conformance suite on a real node, as far as it can hold for results that only one process gets."""

from __future__ import annotations

import pytest

from tests.services.rabbitmq import RabbitmqServer
from tq.testing import ResultBackendConformance
from tq_amqp import RpcBackend


class TestRpcBackend(ResultBackendConformance):
    backend_class = RpcBackend

    @pytest.fixture
    def backend_url(self, shared_rabbitmq: RabbitmqServer) -> str:
        return shared_rabbitmq.url.replace("amqp://", "rpc://")

    @pytest.fixture
    def slow_factor(self) -> float:
        return 2.0

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"rpc://guest:s3cret@127.0.0.1:{free_port}//"
