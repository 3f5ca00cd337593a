"""The broker under the suite that every plugin passes, on moto, an emulator of SQS."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from tq.testing import BrokerConformance
from tq_sqs import SqsBroker
from tq_sqs.names import sqs_name


class TestSqsBroker(BrokerConformance):
    """SQS as broker. moto checks no keys and forgets everything when it ends: neither is tested here."""

    broker_class = SqsBroker
    many = 60
    model_examples = 6

    @pytest.fixture
    def slow_factor(self) -> float:
        return 3.0

    @pytest.fixture
    def delay(self) -> float:
        """SQS counts whole seconds."""
        return 1.0

    @pytest.fixture
    def broker_url(self, sqs_url: str) -> str:
        return sqs_url

    @pytest.fixture
    def put_raw(self, sqs: Any) -> Callable[[str, bytes], None]:
        def put(queue: str, raw: bytes) -> None:
            url = sqs.create_queue(QueueName=sqs_name(queue))["QueueUrl"]
            sqs.send_message(QueueUrl=url, MessageBody=base64.b64encode(raw).decode())

        return put

    @pytest.fixture
    def dead_url(self, free_port: int) -> str:
        return f"sqs://key:s3cret@127.0.0.1:{free_port}/?region=eu-west-1"
