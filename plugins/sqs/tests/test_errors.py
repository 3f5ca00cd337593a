"""Errors say what failed, where, and what to do. moto checks neither keys nor permissions: a stub answers as AWS does."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.services.stub import StubServer
from tq.errors import BrokerError, BrokerUnavailable, ImproperlyConfigured
from tq.records import Action
from tq.testing.broker_kit import BrokerKit, envelope, settle
from tq_sqs import SqsBroker
from tq_sqs.server import Server

Answering = Callable[[int, str], str]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """`answering(status, code)` is the URL of an SQS that refuses everything so."""
    stubs: list[StubServer] = []

    def start(status: int, code: str) -> str:
        body = f'{{"__type": "com.amazonaws.sqs#{code}", "message": "as AWS says it"}}'
        stubs.append(StubServer(status, body, "application/x-amz-json-1.0"))
        return stubs[-1].url.replace("http://", "sqs://key:s3cret@") + "/?region=eu-west-1"

    yield start
    for stub in stubs:
        stub.close()


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (403, "InvalidClientTokenId", BrokerError, "does not accept the access key; check key, secret"),
        (403, "SignatureDoesNotMatch", BrokerError, "does not accept the access key"),
        (
            400,
            "AccessDeniedException",
            BrokerError,
            "forbids this to the access key; grant what tq-sqs's README",
        ),
        (400, "RequestThrottled", BrokerUnavailable, "too busy or in trouble; try again later"),
        (503, "ServiceUnavailable", BrokerUnavailable, "too busy or in trouble; try again later"),
        (400, "UnsupportedOperation", BrokerError, "refused; read what it says"),
    ],
)
def test_a_refusal_is_explained(
    answering: Answering, status: int, code: str, kind: type[BrokerError], words: str
) -> None:
    broker = SqsBroker(answering(status, code))
    with pytest.raises(BrokerError, match=words) as caught:
        broker.purge("q")
    assert type(caught.value) is kind
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.url
    assert "s3cret" not in shown
    assert "key:**@" in shown
    assert code in str(caught.value)


def test_only_what_may_have_been_done_is_in_doubt(answering: Answering, free_port: int) -> None:
    known = {"predefined_queues": {"q": {"url": "http://127.0.0.1/1/q"}}}
    for url, options, doubt in [
        (answering(503, "ServiceUnavailable"), known, True),
        (answering(503, "ServiceUnavailable"), {}, False),
        (answering(400, "RequestThrottled"), known, False),
        (f"sqs://key:s3cret@127.0.0.1:{free_port}/?region=eu-west-1", known, False),
    ]:
        with pytest.raises(BrokerUnavailable) as caught:
            SqsBroker(url, options).publish([envelope("q", "one")], timeout=2.0)
        assert caught.value.in_doubt is doubt


def test_a_refusal_reaches_who_waits_for_messages(sqs_url: str, answering: Answering) -> None:
    broker = SqsBroker(sqs_url)
    consumer = broker.consumer(["q"], "c", lease=5)
    bad = SqsBroker(answering(403, "InvalidClientTokenId"))
    consumer._server = bad._server  # type: ignore[attr-defined]
    with pytest.raises(BrokerError, match="does not accept the access key"):
        consumer.receive(1, 5.0)


def test_no_keys_at_all_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(BrokerError, match="no access key was found for sqs://; write it into the URL"):
        SqsBroker("sqs://").purge("q")


def test_keys_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, sqs_url: str, shared_moto: Any
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    broker = SqsBroker("sqs://", {"endpoint_url": shared_moto.url})
    assert list(broker.publish([envelope("q", "one")], timeout=5.0)) == [None]
    assert SqsBroker(sqs_url).stats("q").ready == 1


def test_a_missing_boto3_is_said_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, sqs_url: str
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ImproperlyConfigured, match=r'needs boto3.*pip install "tq\[sqs\]"') as caught:
        SqsBroker(sqs_url).publish([envelope("q", "one")], timeout=5.0)
    assert "secretkey" not in str(caught.value)


def test_options_that_have_no_meaning_are_explained(sqs_url: str) -> None:
    for name, words in [("polling_interval", "never pauses"), ("sts_role_arn", "profile"), ("port", "URL")]:
        with pytest.raises(ImproperlyConfigured, match=f"{name}.*{words}"):
            SqsBroker(sqs_url, {name: 1})
    for config, words in [({"no_such": 1}, "no_such"), ({"retries": 5}, "int")]:
        with pytest.raises(ImproperlyConfigured, match=f"'client-config'.*{words}"):
            SqsBroker(sqs_url, {"client-config": config}).purge("q")


def test_an_endpoint_that_cannot_be_is_explained() -> None:
    for url, options in [
        ("sqs://k:s3cret@", {"endpoint_url": "localhost:9324"}),
        ("sqs://k:s3cret@[::1/", {}),
    ]:
        with pytest.raises(ImproperlyConfigured, match="no valid endpoint.*http://HOST:PORT") as caught:
            SqsBroker(url, options).purge("q")
        assert "s3cret" not in str(caught.value)


def test_a_settlement_whose_answer_is_lost_can_be_repeated(
    kit: BrokerKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "done", "back")
    consumer = kit.consumer(broker, "q")
    taken = kit.take(consumer, 2)
    call, follow_up = Server.call, (envelope("other", "next"),)

    def lose(self: Server, doing: str, operation: str, **arguments: Any) -> dict[str, Any]:
        answer = call(self, doing, operation, **arguments)
        if operation == "delete_message_batch":
            raise BrokerUnavailable("the answer is lost")
        return answer

    monkeypatch.setattr(Server, "call", lose)
    with pytest.raises(BrokerUnavailable):
        settle(consumer, taken[:1], publish=follow_up)
    monkeypatch.undo()
    assert settle(consumer, taken[:1], publish=follow_up) == [True]
    assert broker.stats("other").ready == 1, "what follows is sent once"
    assert settle(consumer, taken[1:], Action.REQUEUE) == [True]
    assert broker.stats("q").ready == 1
    # The second time it is given back as a copy; the third delivery becomes a dead letter.
    for action in (Action.REQUEUE, Action.DEAD):
        taken = kit.take(consumer, 1)
        monkeypatch.setattr(Server, "call", lose)
        with pytest.raises(BrokerUnavailable):
            settle(consumer, taken, action)
        monkeypatch.undo()
        assert settle(consumer, taken, action) == [True]
    assert (broker.stats("q").ready, len(broker.dead_letters("q"))) == (0, 1)
