"""The conformance suite on a real node."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.services.rabbitmq import RabbitmqServer
from tests.services.served import BehindProxy
from tq.contracts import Cap
from tq.testing import BrokerConformance
from tq.testing.broker_kit import BrokerKit
from tq_amqp import AmqpBroker
from tq_amqp.address import read_addresses
from tq_amqp.connect import Connector
from tq_amqp.options import Options
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.properties import pack_properties


class PriorityBroker(AmqpBroker):
    """Declares for the class what the option brings to an instance, so that the suite asks for it."""

    capabilities = AmqpBroker.capabilities | Cap.PRIORITY


class OnRabbitmq(BrokerConformance):
    model_examples = 6

    @pytest.fixture
    def broker_url(self, shared_rabbitmq: RabbitmqServer) -> str:
        return shared_rabbitmq.url

    @pytest.fixture
    def slow_factor(self) -> float:
        return 2.0

    @pytest.fixture
    def restart_service(self, shared_rabbitmq: RabbitmqServer) -> Callable[[], None]:
        def restart() -> None:
            shared_rabbitmq.kill()
            shared_rabbitmq.start()

        return restart

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"amqp://guest:s3cret@127.0.0.1:{free_port}//"

    @pytest.fixture
    def wrong_password_url(self, broker_url: str) -> str:
        return broker_url.replace("guest:guest", "guest:s3cret")

    @pytest.fixture
    def put_raw(self, broker_url: str, kit: BrokerKit, broker: AmqpBroker) -> Callable[[str, bytes], None]:
        def put(queue: str, raw: bytes) -> None:
            kit.consumer(broker, queue).close()  # The queue exists from now on.
            until = time.monotonic() + 10
            wire = Connector(read_addresses(broker_url), Options()).open(until)
            channel = wire.channel(until)
            channel.call(m.confirm_select(), until)
            confirmed: list[int] = []
            channel.on_confirm = lambda tag, _, __: confirmed.append(tag)
            channel.send_content(m.publish("", queue), pack_properties({}), raw)
            assert wire.pump(lambda: bool(confirmed), until)
            wire.close(until)

        return put


class TestClassicQueues(BehindProxy, OnRabbitmq):
    broker_class = PriorityBroker

    @pytest.fixture
    def broker_options(self) -> Mapping[str, Any]:
        return {"max_priority": 9}


class QuorumBroker(AmqpBroker):
    capabilities = AmqpBroker.capabilities & ~Cap.ORDER


class TestQuorumQueues(OnRabbitmq):
    broker_class = QuorumBroker

    @pytest.fixture
    def restart_service(self) -> Callable[[], None]:
        pytest.skip("a node needs half a minute to bring up hundreds of such queues; classic ones are tested")

    @pytest.fixture
    def broker_options(self) -> Mapping[str, Any]:
        return {"queue_type": "quorum"}
