"""What `findings()` says of RabbitMQ."""

from __future__ import annotations

import pytest

from tq.records import Queue, Severity
from tq.testing.broker_kit import envelope
from tq_amqp import AmqpBroker
from tq_amqp.checkup import of_server


def test_a_sound_server_has_no_findings_and_gets_no_queues(rabbitmq_url: str) -> None:
    broker = AmqpBroker(rabbitmq_url, {})
    broker.declare([Queue("mails")], others=Queue(""))
    assert broker.findings() == []
    # It is still not there.
    assert broker.purge("mails") == 0
    broker.close()


def test_a_queue_that_differs_on_the_server_is_a_finding(rabbitmq_url: str) -> None:
    before = AmqpBroker(rabbitmq_url, {"queue_type": "classic"})
    assert before.publish([envelope("mails", "one")], timeout=30) == [None]
    before.close()
    broker = AmqpBroker(rabbitmq_url, {})
    broker.declare([Queue("mails", max_priority=9)], others=Queue(""))
    (found,) = broker.findings()
    assert found.severity is Severity.WARNING
    assert "queue 'mails'" in found.what and "x-max-priority" in found.what
    # The connection is as good as before.
    assert broker.stats("mails").ready == 1
    broker.close()


@pytest.mark.parametrize(
    ("properties", "severities"),
    [
        ({"product": "RabbitMQ", "version": "3.7.28"}, [Severity.ERROR]),
        ({"product": "RabbitMQ", "version": "3.8.0"}, [Severity.WARNING]),
        ({"product": "RabbitMQ", "version": "4.1.0"}, []),
        ({"product": "LavinMQ", "version": "1.0"}, []),
        ({}, []),
    ],
)
def test_old_servers_are_named(properties: dict[str, str], severities: list[Severity]) -> None:
    assert [each.severity for each in of_server(dict(properties), "amqp://h")] == severities
