"""Listeners that do not read: their queues are bounded on the server, and go with them."""

from __future__ import annotations

from typing import Any

from tests.services.rabbitmq import RabbitmqServer
from tq.contracts.subscription import MOST_HEARD
from tq.records import Channel, Message, Notice
from tq.testing.waiting import eventually
from tq_amqp import AmqpBroker

EVENTS = Channel("celeryev", "topic", durable=True)


def test_the_queue_of_a_listener_that_does_not_read_is_bounded(
    rabbitmq_url: str, shared_rabbitmq: RabbitmqServer
) -> None:
    vhost = rabbitmq_url.rpartition("/")[2]

    def queues() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = shared_rabbitmq.ask("GET", f"/api/queues/{vhost}")
        return found

    broker = AmqpBroker(rabbitmq_url)
    listener = broker.subscribe(EVENTS, "#", ttl=3600.0)
    batch = [Notice(EVENTS, Message({}, {}, b"{}"), "task.multi")] * 2000
    for _ in range(MOST_HEARD // len(batch) + 3):
        assert broker.announce(batch, timeout=60) == [None] * len(batch)
    (own,) = eventually(lambda: [each for each in queues() if each.get("messages")], "the figures are there")
    arguments = own["arguments"]
    assert arguments["x-max-length"] == MOST_HEARD and arguments["x-expires"] <= 60_000
    # Beside what waits on the server, a bounded part is on its way to the listener.
    assert own["messages_ready"] <= MOST_HEARD
    assert own["messages"] <= MOST_HEARD + 1000
    listener.close()
    eventually(lambda: queues() == [], "the queue is gone with its listener")
    broker.close()


def test_whether_anybody_listens_is_known(rabbitmq_url: str) -> None:
    asking = Notice(EVENTS, Message({}, {}, b"[]"), "task.multi")
    broker = AmqpBroker(rabbitmq_url)
    assert not broker.is_heard(asking, timeout=60)
    listener = broker.subscribe(EVENTS, "task.#")
    assert broker.is_heard(asking, timeout=60)
    listener.close()
    eventually(lambda: not broker.is_heard(asking, timeout=60), "nobody listens any more")
    broker.close()
