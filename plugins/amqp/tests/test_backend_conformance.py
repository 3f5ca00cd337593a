"""The conformance suite on a real node, as far as it can hold for results that only one process gets."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.services.rabbitmq import RabbitmqServer
from tq.testing import ResultBackendConformance
from tq.testing.result_kit import success
from tq.wire.json import JsonSerializer
from tq_amqp import RpcBackend
from tq_amqp.protocol import methods as m


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


def test_results_come_again_where_the_server_ended_the_channel_while_nobody_looked(rabbitmq_url: str) -> None:
    with closing(RpcBackend(rabbitmq_url, serializer=JsonSerializer())) as backend:
        for task_id in ("one", "two"):
            backend.listen()
            backend.store([success(task_id)])
            channel = backend._inbox._channel
            assert channel is not None
            channel.send(
                m.ack(1000)
            )  # unknown: it refuses that as it refuses who keeps messages for too long
            assert list(backend.get([task_id])) == [task_id]
