"""Publishing: an answer for each item, and a message that arrives as it was sent."""

from __future__ import annotations

from typing import ClassVar

import pytest

from tq.contracts.broker import Broker, Cap
from tq.errors import PublishError
from tq.records import Envelope, Message
from tq.testing.broker_kit import BrokerKit, envelope, ids, names, settle
from tq.testing.needs import needs


class Publishing:
    """Tests of `Broker.publish`."""

    broker_class: ClassVar[type[Broker]]

    def test_publish_answers_once_for_each_message(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        batch = [envelope(queue, name) for name in names(5)]
        assert list(kit.publish(broker, batch)) == [None] * 5

    def test_publish_of_nothing_answers_nothing(self, kit: BrokerKit, broker: Broker) -> None:
        assert list(kit.publish(broker, [])) == []

    def test_publish_keeps_headers_properties_and_body(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        headers = {"id": "all", "task": "a.b", "eta": None, "nested": {"list": [1, 2.5, "ü", True, None]}}
        sent = Message(
            headers, {"reply_to": "r", "correlation_id": "all"}, b"\x00\xff{}", "application/x", "binary"
        )
        assert list(kit.publish(broker, [Envelope(sent, queue)])) == [None]
        (delivery,) = kit.take(kit.consumer(broker, queue), 1)
        got = delivery.message
        assert isinstance(got, Message)
        assert got.headers == headers
        assert got.body == sent.body
        assert (got.content_type, got.content_encoding) == ("application/x", "binary")
        assert {key: got.properties.get(key) for key in sent.properties} == sent.properties

    def test_publish_takes_a_message_without_headers(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        body = b'{"task": "a.b", "id": "1", "args": [], "kwargs": {}}'  # Celery's protocol 1
        assert list(kit.publish(broker, [Envelope(Message({}, {"reply_to": "r"}, body), queue)])) == [None]
        (delivery,) = kit.take(kit.consumer(broker, queue), 1)
        assert isinstance(delivery.message, Message)
        assert (delivery.message.headers, delivery.message.body) == ({}, body)

    def test_publish_takes_an_empty_body(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "empty", body=b"")
        (delivery,) = kit.take(kit.consumer(broker, queue), 1)
        assert isinstance(delivery.message, Message)
        assert delivery.message.body == b""

    def test_publish_reports_a_bad_message_and_sends_its_neighbours(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        """A batch holds the calls of many: one that cannot be written must neither fail the others nor pass
        for sent."""
        bad = Envelope(Message({"id": "bad", "task": "t", "what": object()}, {}, b"[]"), queue)
        answer = kit.publish(broker, [envelope(queue, "before"), bad, envelope(queue, "after")])
        assert [type(each) for each in answer][::2] == [type(None)] * 2
        assert isinstance(answer[1], Exception), "a header that cannot be written was not reported"
        consumer = kit.consumer(broker, queue)
        assert sorted(ids(kit.take(consumer, 2))) == ["after", "before"]
        assert kit.rest(consumer) == []

    def test_publish_takes_a_message_for_several_queues(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        batch = [envelope(f"{queue}-{number % 2}", f"{number}") for number in range(4)]
        assert list(kit.publish(broker, batch)) == [None] * 4
        assert sorted(ids(kit.take(kit.consumer(broker, f"{queue}-1"), 2))) == ["1", "3"]
        assert sorted(ids(kit.take(kit.consumer(broker, f"{queue}-0"), 2))) == ["0", "2"]

    def test_publish_refuses_a_message_that_is_too_big(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        limit = self.broker_class.max_body
        if limit is None:
            pytest.skip(f"{self.broker_class.__name__} sets no limit")
        small, big = envelope(queue, "small"), envelope(queue, "big", body=b"x" * (limit + 1))
        answer = kit.publish(broker, [big, small])
        assert isinstance(answer[0], PublishError), "a message above max_body was not refused"
        assert answer[1] is None

    def test_publish_takes_a_body_of_a_megabyte(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        if (self.broker_class.max_body or 2**31) < 2**21:
            pytest.skip(f"{self.broker_class.__name__} takes at most {self.broker_class.max_body} bytes")
        body = b"\x00\x7f\x80\xff" * 2**18
        kit.send(broker, queue, "big", body=body)
        (delivery,) = kit.take(kit.consumer(broker, queue), 1)
        assert isinstance(delivery.message, Message)
        assert delivery.message.body == body

    @pytest.mark.parametrize("name", ["größe", "任务", "with space", "a/b:c{d}e*?[f]%", "🐇", "q" * 120])
    def test_publish_takes_any_queue_name(
        self, kit: BrokerKit, broker: Broker, queue: str, name: str
    ) -> None:
        """Users name queues, and a store's own rules for names are no news to them."""
        full = f"{name}-{queue[-8:]}"
        kit.send(broker, full, "one")
        (delivery,) = kit.take(kit.consumer(broker, full), 1)
        assert delivery.queue == full

    @needs(Cap.UNIQUE)
    def test_publish_of_a_unique_message_again_is_a_no_op(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        one, other = names(2)
        kit.send(broker, queue, one, one, other, unique=True)
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, 2)
        assert sorted(ids(taken)) == sorted([one, other])
        kit.send(kit.broker(), queue, one, unique=True)
        assert kit.rest(consumer) == []

    @needs(Cap.UNIQUE)
    def test_publish_of_a_unique_message_is_remembered_after_it_is_done(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        (name,) = names(1)
        consumer = kit.consumer(broker, queue)
        kit.send(broker, queue, name, unique=True)
        assert settle(consumer, kit.take(consumer, 1)) == [True]
        kit.send(broker, queue, name, unique=True)
        assert kit.rest(consumer) == []

    def test_publish_without_unique_takes_the_same_id_twice(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        (name,) = names(1)
        kit.send(broker, queue, name, name)
        assert ids(kit.take(kit.consumer(broker, queue), 2)) == [name, name]
