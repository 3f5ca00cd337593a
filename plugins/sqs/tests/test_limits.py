"""What SQS refuses: attributes and bytes above its limits, queues that are not there, loans of more than 12 hours."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.kits import NewKit
from tq.errors import BrokerError, BrokerUnavailable, PublishError
from tq.records import Action
from tq.testing.broker_kit import BrokerKit, envelope, settle
from tq_sqs.lent import LONGEST, Lent
from tq_sqs.messages import ATTEMPT, DELAY, LARGEST, Parcel
from tq_sqs.queues import Queue
from tq_sqs.sending import Sender
from tq_sqs.server import Server

TEXT = {"DataType": "String", "StringValue": "x"}


def test_a_message_with_all_the_attributes_that_sqs_allows_is_buried(kit: BrokerKit, sqs: Any) -> None:
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(
        QueueUrl=url, MessageBody="foreign", MessageAttributes={f"a{n}": TEXT for n in range(10)}
    )
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    assert settle(consumer, kit.take(consumer, 1), Action.DEAD, reason="foreign") == [True]
    grave = sqs.get_queue_url(QueueName="q-dead")["QueueUrl"]
    (letter,) = sqs.receive_message(QueueUrl=grave, MessageAttributeNames=["All"])["Messages"]
    assert len(letter["MessageAttributes"]) <= 10
    assert letter["MessageAttributes"]["tq-reason"]["StringValue"] == "foreign"


def test_a_message_as_long_as_sqs_allows_is_copied_and_buried(kit: BrokerKit, sqs: Any) -> None:
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x" * LARGEST)
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    assert settle(consumer, kit.take(consumer, 1), Action.DEAD, reason="foreign") == [True]
    assert [letter.reason[:13] for letter in broker.dead_letters("q")] == ["it is so long"]
    lent = Lent(Queue("q", url), "", "x" * (LARGEST - 100), {"a": TEXT, DELAY: TEXT}, "", 3, 0.0, 1.0)
    lent.charge()
    parcel = lent.copy(3600.0)
    assert set(parcel.attributes) == {ATTEMPT, "a"}
    assert Parcel(parcel.body, parcel.entry(0, fifo=False)["MessageAttributes"]).size <= LARGEST


def test_a_refused_dead_letter_is_no_fault_of_the_task(
    kit: BrokerKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its worker would bury it as one that cannot be written, without a pause and without an end."""
    broker = kit.broker()
    kit.send(broker, "q", "one")
    consumer = kit.consumer(broker, "q")
    taken = kit.take(consumer, 1)
    monkeypatch.setattr(
        Sender, "send", lambda self, queue, parcels, until: [PublishError("no") for _ in parcels]
    )
    with pytest.raises(BrokerError, match="a dead letter is refused: no") as caught:
        settle(consumer, taken, Action.DEAD)
    assert not isinstance(caught.value, PublishError)


def test_a_dead_letter_of_a_fifo_queue_comes_back_in_its_group(kit: BrokerKit, sqs: Any) -> None:
    broker = kit.broker()
    one = envelope("jobs.fifo", "one")
    one.message.properties["MessageGroupId"] = "a"
    kit.publish(broker, [one])
    consumer = kit.consumer(broker, "jobs.fifo")
    settle(consumer, kit.take(consumer, 1), Action.DEAD)
    assert broker.requeue_dead("jobs.fifo", [letter.id for letter in broker.dead_letters("jobs.fifo")]) == 1
    url = sqs.get_queue_url(QueueName="jobs.fifo")["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=url, AttributeNames=["All"], WaitTimeSeconds=5)["Messages"]
    assert message["Attributes"]["MessageGroupId"] == "a"


def test_a_predefined_queue_that_is_not_there_is_told_with_its_url(new_kit: NewKit, sqs_url: str) -> None:
    kit = new_kit(sqs_url, predefined_queues={"q": {"url": "http://127.0.0.1/1/wrong"}})
    with pytest.raises(BrokerUnavailable, match=r"check 'http://127.0.0.1/1/wrong' in predefined_queues"):
        kit.broker().publish([envelope("q", "one")], timeout=5.0)


def test_what_sqs_lends_no_longer_is_left_to_others(kit: BrokerKit, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "one")
    consumer: Any = kit.consumer(broker, "q")
    kit.take(consumer, 1)
    (lent,) = consumer._holding.all()
    lent.received -= LONGEST
    lent.until = lent.received + LONGEST
    asked: list[str] = []

    def call(self: Server, doing: str, operation: str, **arguments: Any) -> dict[str, Any]:
        asked.append(operation)
        return {}

    monkeypatch.setattr(Server, "call", call)
    consumer.keep()
    assert asked == []
