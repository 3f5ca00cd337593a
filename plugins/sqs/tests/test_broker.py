"""What SQS has and other brokers have not: FIFO queues, redrive policies, predefined queues, limits, and a price."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.services.kits import NewKit
from tq.errors import BrokerError, BrokerUnavailable, PublishError
from tq.records import Action, Envelope, Message
from tq.testing.broker_kit import BrokerKit, envelope, ids, names, settle, task_id
from tq_sqs import SqsBroker
from tq_sqs.lent import read_token
from tq_sqs.messages import LARGEST, PER_BATCH, batches
from tq_sqs.server import Server


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the requests of this process by operation."""
    counted: Counter[str] = Counter()
    call = Server.call

    def counting(self: Server, doing: str, operation: str, **arguments: Any) -> dict[str, Any]:
        counted[operation] += 1
        return call(self, doing, operation, **arguments)

    monkeypatch.setattr(Server, "call", counting)
    return counted


def in_group(queue: str, name: str, group: str, **properties: Any) -> Envelope:
    """A message of one group of a FIFO queue."""
    made = envelope(queue, name)
    more = {**made.message.properties, "MessageGroupId": group, **properties}
    return msgspec.structs.replace(made, message=msgspec.structs.replace(made.message, properties=more))


# -- time ------------------------------------------------------------------------------------------------------


def test_what_a_consumer_keeps_stays_with_it_and_what_it_does_not_keep_is_lost(kit: BrokerKit) -> None:
    broker = kit.broker()
    kept, silent = kit.consumer(broker, "q", lease=6), kit.consumer(broker, "q", lease=1)
    kit.send(broker, "q", "kept")
    (held,) = kit.take(kept, 1)
    kit.send(broker, "q", "lost")
    (lost,) = kit.take(silent, 1)
    until = time.monotonic() + 7.5
    other = kit.consumer(broker, "q")
    seen = []
    while time.monotonic() < until:
        kept.keep()
        seen += ids(other.receive(10, 0.5))
    assert seen == ["lost"]
    assert settle(silent, [lost]) == [False], "it was given to another one"
    assert settle(kept, [held]) == [True]


def test_a_delay_beyond_what_sqs_can_do_takes_another_round(kit: BrokerKit, sqs: Any) -> None:
    broker = kit.broker()
    assert list(kit.publish(broker, [envelope("q", "far", delay=3600.5)])) == [None]
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    assert counts(sqs, url)["ApproximateNumberOfMessagesDelayed"] == "1"
    kit.send(broker, "other", "model")
    (model,) = sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName="other")["QueueUrl"])["Messages"]
    # As SQS hands it out when its own 900 seconds are over.
    sqs.send_message(
        QueueUrl=url,
        MessageBody=model["Body"],
        MessageAttributes={"tq-delay": {"DataType": "Number", "StringValue": "3"}},
    )
    consumer = kit.consumer(broker, "q")
    began = time.monotonic()
    assert consumer.receive(10, 0.0) == []
    (delivery,) = kit.take(consumer, 1)
    assert time.monotonic() - began > 1.5
    assert (task_id(delivery), delivery.attempt) == ("model", 1)


def test_a_message_that_is_given_back_again_and_again_is_never_charged(kit: BrokerKit) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "patient")
    consumer = kit.consumer(broker, "q")
    for _ in range(5):
        (delivery,) = kit.take(consumer, 1)
        assert delivery.attempt == 1
        assert settle(consumer, [delivery], Action.REQUEUE) == [True]
    assert broker.stats("q").ready == 1


def lent_to_nobody(sqs: Any, times: int) -> None:
    """Let SQS hand out what lies in queue `q`, and the answers be lost."""
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    for _ in range(times):
        assert sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]


def test_what_was_lent_often_and_never_begun_is_not_charged(kit: BrokerKit, sqs: Any) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "innocent")
    lent_to_nobody(sqs, 9)
    consumer = kit.consumer(broker, "q")
    (delivery,) = kit.take(consumer, 1)
    assert delivery.attempt == 1
    assert settle(consumer, [delivery], Action.REQUEUE) == [True]
    (delivery,) = kit.take(consumer, 1)
    assert delivery.attempt == 1, "it was given back"
    assert settle(consumer, [delivery]) == [True]
    assert broker.stats("q").ready == 0


def test_what_comes_again_is_marked_and_charged_once_for_each_time_that_it_came_alone(
    kit: BrokerKit, sqs: Any
) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "killer")
    lent_to_nobody(sqs, 2)
    for attempt in (1, 2, 3):
        kit.send(broker, "q", "innocent")
        consumer = kit.consumer(broker, "q")
        found = consumer.receive(10, kit.patience)
        while "killer" not in ids(found):
            assert settle(consumer, found) == [True] * len(found)
            found = consumer.receive(10, kit.patience)
        assert [(task_id(each), each.attempt) for each in found] == [("killer", attempt)], "it comes alone"
        # As when its holder has died and its time is over.
        url, handle = sqs.get_queue_url(QueueName="q")["QueueUrl"], read_token(found[0].token).handle
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
        lent_to_nobody(sqs, 3)


def test_what_could_not_be_given_back_is_kept_no_longer(
    kit: BrokerKit, sqs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "marked")
    lent_to_nobody(sqs, 2)
    consumer = kit.consumer(broker, "q", lease=1)
    assert settle(consumer, kit.take(consumer, 1), Action.REQUEUE) == [True]
    kit.send(broker, "q", "other")
    call = Server.call

    def away(self: Server, doing: str, operation: str, **arguments: Any) -> dict[str, Any]:
        if operation == "change_message_visibility_batch":
            raise BrokerUnavailable("away", url=self.shown)
        return call(self, doing, operation, **arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Server, "call", away)
        assert ids(consumer.receive(10, kit.patience)) == ["marked"]

    def is_back() -> bool:
        consumer.keep()
        return broker.stats("q").ready > 0

    kit.eventually(is_back, "the other one")


class Late:
    """A client of boto3 whose receives take long on their way back."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def receive_message(self, **arguments: Any) -> Any:
        answer = self._client.receive_message(**arguments)
        time.sleep(1.2)
        return answer


def test_where_answers_come_late_messages_are_lent_for_longer_and_none_is_run_too_late(
    kit: BrokerKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "quick")
    make = Server._make
    monkeypatch.setattr(Server, "_make", lambda *arguments: Late(make(*arguments)))
    slow = kit.broker()
    consumer = kit.consumer(slow, "q", lease=1)
    (delivery,) = kit.take(consumer, 1)
    assert delivery.attempt == 1
    assert settle(consumer, [delivery]) == [True], "its time is not over"


# -- queues ----------------------------------------------------------------------------------------------------


def test_a_fifo_queue_keeps_the_order_of_a_group_and_knows_duplicates(kit: BrokerKit, sqs: Any) -> None:
    broker = kit.broker()
    batch = [in_group("jobs.fifo", f"a{number}", "a") for number in range(12)]
    batch += [in_group("jobs.fifo", "b0", "b", MessageDeduplicationId="same") for _ in range(2)]
    assert list(kit.publish(broker, batch)) == [None] * 14
    consumer = kit.consumer(broker, "jobs.fifo")
    seen: list[str] = []
    while taken := consumer.receive(10, 0.5):
        assert {each.attempt for each in taken} == {0}, "SQS's count says nothing about deaths here"
        seen += ids(taken)
        settle(consumer, taken)
    assert [name for name in seen if name != "b0"] == [f"a{number}" for number in range(12)]
    assert seen.count("b0") == 1
    assert sqs.list_queues()["QueueUrls"][0].endswith("/jobs.fifo")


def test_a_group_of_a_fifo_queue_may_be_delayed_and_given_back_in_order(kit: BrokerKit) -> None:
    broker = kit.broker()
    sent = names(3)
    kit.send(broker, "jobs.fifo", *sent[:2])
    kit.publish(broker, [envelope("jobs.fifo", sent[2], delay=1.0)])
    first = kit.consumer(broker, "jobs.fifo")
    kit.take(first, 2)
    first.close()
    second = kit.consumer(broker, "jobs.fifo")
    back = kit.take(second, 2)
    assert ids(back) == sent[:2]
    assert settle(second, back) == [True, True]
    assert ids(kit.take(second, 1)) == sent[2:]


def test_a_unique_message_of_a_fifo_queue_is_found_by_its_task(kit: BrokerKit) -> None:
    broker = kit.broker()
    (name,) = names(1)
    kit.send(broker, "jobs.fifo", name, name, unique=True)
    consumer = kit.consumer(broker, "jobs.fifo")
    assert ids(kit.take(consumer, 1)) == [name]
    assert kit.rest(consumer) == []


def test_a_queue_that_somebody_removes_is_made_anew(kit: BrokerKit, sqs: Any) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    consumer.receive(1, 0.0)
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="q")["QueueUrl"])
    with pytest.raises(BrokerError, match="try again"):
        consumer.receive(1, 0.0)
    kit.survive(lambda: kit.send(broker, "q", "after"))
    assert ids(kit.take(consumer, 1)) == ["after"]


def test_queues_have_a_prefix_and_what_celery_and_the_options_say(
    new_kit: NewKit, sqs_url: str, sqs: Any
) -> None:
    options = {
        "queue_name_prefix": "shop.",
        "sqs-creation-attributes": {"KmsMasterKeyId": "alias/aws/sqs"},
        "queue_tags": {"team": "a"},
    }
    kit = new_kit(sqs_url, **options)
    kit.send(kit.broker(), "my.dotted", "one")
    url = sqs.get_queue_url(QueueName="shop-my-dotted")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (found["VisibilityTimeout"], found["KmsMasterKeyId"]) == ("1800", "alias/aws/sqs")
    assert found["MessageRetentionPeriod"] == str(14 * 86400)
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "a"}


# -- predefined queues and redrive policies --------------------------------------------------------------------


def with_redrive(sqs: Any, name: str, receives: int) -> str:
    """A queue whose dead letters SQS moves to NAME-target."""
    target = sqs.create_queue(QueueName=f"{name}-target")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=target, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": str(receives)})
    return str(sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})["QueueUrl"])


def counts(sqs: Any, url: str) -> dict[str, str]:
    """All attributes of a queue."""
    found: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return found


def test_predefined_queues_are_used_and_no_other_ones(new_kit: NewKit, sqs_url: str, sqs: Any) -> None:
    url = with_redrive(sqs, "theirs", 5)
    kit = new_kit(
        sqs_url, predefined_queues={"q": {"url": url, "access_key_id": "k", "secret_access_key": "s"}}
    )
    broker = kit.broker()
    kit.send(broker, "q", "one")
    assert ids(kit.take(kit.consumer(broker, "q"), 1)) == ["one"]
    (answer,) = kit.publish(broker, [envelope("unknown", "two")])
    assert isinstance(answer, BrokerError)
    assert "queue 'unknown' is not among the predefined_queues" in str(answer)
    with pytest.raises(BrokerError, match=r"'unknown' is not among .* \(there are: q\); add its URL"):
        broker.consumer(["unknown"], "c", lease=5)


def test_a_predefined_queue_that_is_missing_is_named(new_kit: NewKit, sqs_url: str, sqs: Any) -> None:
    url = sqs.create_queue(QueueName="there")["QueueUrl"]
    entry = {"url": url.replace("there", "gone"), "dead_letter_queue": url}
    broker = new_kit(sqs_url, predefined_queues={"q": entry}).broker()
    with pytest.raises(BrokerError, match="'q' .* is not there|no such queue"):
        broker.publish([envelope("q", "one")], timeout=5)
    with pytest.raises(BrokerError, match="no such queue; check its name, the region and the account"):
        broker.purge("q")


def test_a_predefined_queue_needs_a_place_for_dead_letters(new_kit: NewKit, sqs_url: str, sqs: Any) -> None:
    url, grave = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("bare", "grave"))
    queues: dict[str, Any] = {"q": {"url": url}}
    with pytest.raises(BrokerError, match="no place for dead letters: give it a redrive policy"):
        new_kit(sqs_url, predefined_queues=queues).broker().consumer(["q"], "c", lease=5)
    drops = new_kit(sqs_url, predefined_queues=queues, dead_letters="drop")
    named = new_kit(sqs_url, predefined_queues={"q": {"url": url, "dead_letter_queue": grave}})
    for kit in (drops, named):
        broker = kit.broker()
        kit.send(broker, "q", "hopeless")
        consumer = kit.consumer(broker, "q")
        assert settle(consumer, kit.take(consumer, 1), Action.DEAD, reason="why") == [True]
    assert [letter.reason for letter in named.broker().dead_letters("q")] == ["why"]


def test_dead_letters_go_where_the_redrive_policy_says_and_those_of_sqs_are_seen(
    kit: BrokerKit, sqs: Any
) -> None:
    url = with_redrive(sqs, "q", 2)
    broker = kit.broker()
    kit.send(broker, "q", "ours")
    consumer = kit.consumer(broker, "q")
    assert settle(consumer, kit.take(consumer, 1), Action.DEAD, reason="why") == [True]
    kit.send(broker, "q", "theirs")
    for _ in range(3):
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    letters = {str(letter.message.headers["id"]): letter for letter in broker.dead_letters("q")}  # type: ignore[union-attr]
    assert letters["ours"].reason == "why"
    assert "redrive policy" in letters["theirs"].reason
    assert broker.stats("q").dead == 2
    assert broker.requeue_dead("q", [letters["theirs"].id]) == 1
    assert ids(kit.take(consumer, 1)) == ["theirs"]


# -- limits and cost -------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, LARGEST)))
def test_batches_are_as_large_as_sqs_takes_them_and_no_larger(sizes: list[int]) -> None:
    cut = list(batches(sizes))
    assert [at for batch in cut for at in batch] == list(range(len(sizes)))
    for batch in cut:
        assert 1 <= len(batch) <= PER_BATCH
        assert sum(sizes[at] for at in batch) <= LARGEST
    for one, two in itertools.pairwise(cut):
        assert len(one) == PER_BATCH or sum(sizes[at] for at in one) + sizes[two[0]] > LARGEST


def test_large_messages_share_no_batch_and_one_that_is_too_large_spoils_no_neighbour(kit: BrokerKit) -> None:
    broker = kit.broker()
    batch = [envelope("q", f"big-{number}", body=b"x" * 400_000) for number in range(3)]
    batch.insert(1, envelope("q", "too-big", body=b"x" * 700_000))
    answers = kit.publish(broker, batch)
    assert [type(answer) for answer in answers] == [type(None), PublishError, type(None), type(None)]
    assert "pass a reference to the data" in str(answers[1])
    assert sorted(ids(kit.take(kit.consumer(broker, "q"), 3))) == ["big-0", "big-1", "big-2"]


def test_a_purge_that_cannot_reach_all_says_what_is_left(kit: BrokerKit) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "lent")
    consumer = kit.consumer(broker, "q")
    held = kit.take(consumer, 1)
    kit.send(broker, "q", "waits")
    kit.send(broker, "q", "delayed", delay=60.0)
    with pytest.raises(
        BrokerError, match="1 messages .* were removed, but 1 are delayed.*the 1 that workers"
    ):
        broker.purge("q")
    assert settle(consumer, held) == [True]
    assert broker.purge("q") == 1


def test_an_idle_consumer_costs_one_request_that_waits(
    kit: BrokerKit, requests: Counter[str], sqs: Any
) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    requests.clear()
    assert consumer.receive(10, 3.0) == []
    assert broker.maintain(["q"]) == ()
    consumer.keep()
    assert requests == {"receive_message": 1}
    # The next one takes its answer, without another request.
    kit.send(kit.broker(), "q", "late")
    assert ids(consumer.receive(10, 10.0)) == ["late"]
    assert requests["receive_message"] == 1


def test_messages_cost_three_requests_for_ten(kit: BrokerKit, requests: Counter[str]) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    requests.clear()
    sent = names(100)
    kit.send(broker, "q", *sent)
    seen: list[str] = []
    while len(seen) < 100:
        taken = consumer.receive(100, kit.patience)
        seen += ids(taken)
        settle(consumer, taken)
    assert sorted(seen) == sent
    assert requests["send_message_batch"] == requests["delete_message_batch"] == 10
    assert 10 <= requests["receive_message"] <= 20
    assert not requests.keys() - {"send_message_batch", "receive_message", "delete_message_batch"}


def test_plain_json_is_read_and_written(new_kit: NewKit, sqs_url: str, sqs: Any) -> None:
    kit = new_kit(sqs_url, sqs_base64_encoding=False)
    broker = kit.broker()
    kit.send(broker, "q", "plain")
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    assert json.loads(message["Body"])["headers"]["id"] == "plain"
    (delivery,) = kit.take(kit.consumer(new_kit(sqs_url).broker(), "q"), 1)
    assert isinstance(delivery.message, Message)
    assert isinstance(broker, SqsBroker)
