"""What the tests of the RabbitMQ plugin share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tq.contracts import Broker
from tq.records import Queue
from tq_amqp import AmqpBroker
from tq_amqp.address import read_addresses
from tq_amqp.connect import Connector
from tq_amqp.options import Options
from tq_amqp.protocol.channel import Channel

Open = Callable[..., AmqpBroker]


def until() -> float:
    """A generous deadline."""
    return time.monotonic() + 30.0


def send(broker: Broker, *batch: Any) -> list[Exception | None]:
    """Publish with patience."""
    return list(broker.publish(batch, timeout=30.0))


@pytest.fixture
def open_broker(rabbitmq_url: str) -> Iterator[Open]:
    """Make brokers: `open_broker(Queue("a", ...), queue_type="quorum")`."""
    with ExitStack() as stack:

        def make(
            *queues: Queue, url: str = rabbitmq_url, others: Queue | None = None, **options: Any
        ) -> AmqpBroker:
            made = AmqpBroker(url, options)
            made.declare(queues, others=others or Queue(""))
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def channel(rabbitmq_url: str) -> Iterator[Channel]:
    """A bare channel, as another program would have it."""
    wire = Connector(read_addresses(rabbitmq_url), Options()).open(until())
    yield wire.channel(until())
    wire.close(until())
