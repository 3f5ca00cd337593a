"""Servers that are missing, refuse, go away or hold back: each is said in a sentence, with the next step."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from plugins.amqp.tests.conftest import Open, send, until
from tests.services.rabbitmq import RabbitmqServer
from tq.errors import (
    BackendUnavailable,
    BrokerError,
    BrokerUnavailable,
    EncodeError,
    ImproperlyConfigured,
    PublishError,
)
from tq.records import Action, Channel, Envelope, Message, Notice, Queue, Settlement, Severity
from tq.testing.broker_kit import envelope, ids
from tq.testing.result_kit import success
from tq.wire.json import JsonSerializer
from tq_amqp import AmqpBroker, RpcBackend
from tq_amqp.address import read_addresses
from tq_amqp.connect import Connector
from tq_amqp.faults import Server
from tq_amqp.lane import Lane
from tq_amqp.options import Options
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.channel import Channel as BareChannel
from tq_amqp.protocol.failures import Refused

NewServer = Callable[..., RabbitmqServer]


def test_no_server_is_said_in_time_with_what_to_look_at(open_broker: Open, free_port: int) -> None:
    broker = open_broker(url=f"amqp://tq:s3cret@127.0.0.1:{free_port}//")
    with pytest.raises(BrokerUnavailable, match=r"is RabbitMQ running.*\?") as caught:
        broker.publish([envelope("q", "one")], timeout=1.0)
    assert "s3cret" not in str(caught.value)
    assert not caught.value.in_doubt


def test_a_wrong_password_says_which_settings_to_check(open_broker: Open, rabbitmq_url: str) -> None:
    broker = open_broker(url=rabbitmq_url.replace("guest:guest", "guest:s3cret"))
    with pytest.raises(BrokerError, match="ACCESS_REFUSED.*check user, password") as caught:
        send(broker, envelope("q", "one"))
    assert "s3cret" not in str(caught.value)


def test_a_virtual_host_that_is_not_there_is_named(
    open_broker: Open, shared_rabbitmq: RabbitmqServer
) -> None:
    broker = open_broker(url=shared_rabbitmq.url_of("no-such-place"))
    with pytest.raises(BrokerError, match="no-such-place.*check the virtual host"):
        send(broker, envelope("q", "one"))


def test_another_protocol_is_told_from_a_dead_server(open_broker: Open, redis_url: str) -> None:
    broker = open_broker(url=redis_url.replace("redis://", "amqp://"))
    with pytest.raises(BrokerUnavailable):
        broker.publish([envelope("q", "one")], timeout=3.0)


def test_who_may_not_declare_may_use_what_is_there(
    open_broker: Open, shared_rabbitmq: RabbitmqServer, rabbitmq_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    vhost = rabbitmq_url.rpartition("/")[2]
    shared_rabbitmq.new_user("modest", "pass")
    shared_rabbitmq.allow("modest", vhost, configure="^$")
    send(open_broker(), envelope("there", "first"))
    modest = open_broker(url=shared_rabbitmq.url_of(vhost, "modest", "pass"))
    assert send(modest, envelope("there", "second")) == [None]
    assert "is used as it is" in caplog.text
    (answer,) = send(modest, envelope("missing", "one"))
    assert isinstance(answer, BrokerError)
    assert "ACCESS_REFUSED" in str(answer)
    assert "list_permissions" in str(answer)
    with closing(modest.consumer(["there"], "modest", lease=30)) as consumer:
        assert len(consumer.receive(2, 10.0)) == 2


def test_a_user_without_rights_to_write_hears_it_for_each_message(
    open_broker: Open, shared_rabbitmq: RabbitmqServer, rabbitmq_url: str
) -> None:
    vhost = rabbitmq_url.rpartition("/")[2]
    shared_rabbitmq.new_user("reader", "pass")
    shared_rabbitmq.allow("reader", vhost, write="^$")
    (answer,) = send(open_broker(url=shared_rabbitmq.url_of(vhost, "reader", "pass")), envelope("q", "one"))
    assert isinstance(answer, BrokerError)
    assert "check user, password and the user's permissions" in str(answer)


def test_the_next_of_several_servers_is_taken(open_broker: Open, rabbitmq_url: str, free_port: int) -> None:
    broker = open_broker(url=f"amqp://guest:guest@127.0.0.1:{free_port}//;{rabbitmq_url}")
    assert send(broker, envelope("q", "one")) == [None]


def test_a_server_that_ends_connections_is_an_outage_that_is_waited_for() -> None:
    server = Server("amqp://guest:s3cret@host//")
    stopping = Refused(320, "CONNECTION_FORCED - broker forced connection closure")
    refused = server.broker_error(stopping, "publish", in_doubt=True)
    assert isinstance(refused, BrokerUnavailable)
    assert refused.in_doubt
    assert isinstance(server.backend_error(stopping, "wait for results"), BackendUnavailable)


@pytest.mark.parametrize("url", ["amqp://host:port//", "http://host"])
def test_a_url_that_is_none_is_refused_before_anything_is_connected(url: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        AmqpBroker(url)


def test_a_queue_that_was_deleted_behind_our_back_is_made_again(
    open_broker: Open, channel: BareChannel
) -> None:
    broker = open_broker()
    send(broker, envelope("q", "one"))
    channel.call(m.queue_delete("q"), until())
    assert send(broker, envelope("q", "two")) == [None]
    assert broker.stats("q").ready == 1


def test_an_exchange_that_was_deleted_behind_our_back_is_made_again(
    open_broker: Open, channel: BareChannel
) -> None:
    broker = open_broker(Queue("news", "events", "topic", "news.#"))
    one = envelope("news", "one", exchange="events", routing_key="news.x")
    assert send(broker, one) == [None]
    channel.call(m.method((40, 20), b"\0\0", b"\x06events", b"\0"), until())
    (refused,) = send(broker, one)
    assert isinstance(refused, PublishError)
    assert send(broker, one) == [None]


def test_headers_larger_than_a_frame_are_an_error_of_their_own(open_broker: Open) -> None:
    large = Envelope(Message({"id": "i", "task": "t", "note": "x" * 200_000}, {}, b"[]"), "q")
    fine, refused = send(open_broker(), envelope("q", "one"), large)
    assert fine is None
    assert isinstance(refused, EncodeError)
    assert "frame_max" in str(refused)


def test_a_consumer_goes_on_when_its_queue_is_made_anew(open_broker: Open, channel: BareChannel) -> None:
    broker = open_broker()
    with closing(broker.consumer(["q"], "c", lease=30)) as consumer:
        assert list(consumer.receive(1, 0.0)) == []
        channel.call(m.queue_delete("q"), until())
        send(broker, envelope("q", "two"))
        assert ids(consumer.receive(1, 10.0)) == ["two"]


def test_a_message_that_its_queue_refuses_is_an_error_of_its_own(
    open_broker: Open, channel: BareChannel
) -> None:
    channel.call(
        m.queue_declare("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"}), until()
    )
    first, second = send(open_broker(), envelope("full", "one"), envelope("full", "two"))
    assert first is None
    assert isinstance(second, PublishError)
    assert "refused" in str(second)


def test_a_server_that_takes_no_messages_is_named_with_its_reason(rabbitmq_server: NewServer) -> None:
    # An alarm from the start: there is always less memory than this.
    server = rabbitmq_server("vm_memory_high_watermark.absolute = 1MB")
    broker = AmqpBroker(server.url)
    try:
        with pytest.raises(BrokerUnavailable, match="low on memory") as caught:
            broker.publish([envelope("q", "one")], timeout=2.0)
        assert caught.value.in_doubt
        (found,) = broker.findings()
        assert found.severity is Severity.ERROR
        assert "takes no messages now: low on memory" in found.what and "alarms" in found.advice
    finally:
        broker.close()


def test_a_server_that_does_not_answer_keeps_nobody_waiting(rabbitmq_server: NewServer) -> None:
    server = rabbitmq_server()
    broker = AmqpBroker(server.url)
    try:
        send(broker, envelope("q", "one"))
        server.freeze()
        began = time.monotonic()
        with pytest.raises(BrokerUnavailable) as caught:
            broker.publish([envelope("q", "two")], timeout=1.0)
        assert time.monotonic() - began < 8
        assert caught.value.in_doubt
    finally:
        server.thaw()
        broker.close()


def test_a_task_longer_than_the_consumer_timeout_is_explained(
    rabbitmq_server: NewServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = rabbitmq_server("consumer_timeout = 1000")
    broker = AmqpBroker(server.url)
    try:
        send(broker, envelope("q", "long"))
        consumer = broker.consumer(["q"], "c", lease=30)
        (delivery,) = consumer.receive(1, 10.0)
        deadline = until()
        while "consumer_timeout" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.2)
            keep(consumer)
            consumer.settle([])
        assert "ran for longer than RabbitMQ's consumer_timeout" in caplog.text
        assert list(consumer.settle([Settlement(delivery, Action.ACK)])) == [False]
        (again,) = consumer.receive(1, 10.0)
        assert list(consumer.settle([Settlement(again)])) == [True]
        consumer.close()
    finally:
        broker.close()


def keep(consumer: object) -> None:
    try:
        consumer.keep()  # type: ignore[attr-defined]
    except BrokerError:
        return


def test_a_channel_that_the_server_closed_says_so_to_its_next_call(channel: BareChannel) -> None:
    with pytest.raises(Refused, match="no queue 'missing'"):
        channel.call(m.queue_purge("missing"), until())
    with pytest.raises(Refused, match="no queue 'missing'"):
        channel.call(m.queue_purge("missing"), until())


def test_a_doubted_line_is_not_used_again(rabbitmq_url: str) -> None:
    lane = Lane(Connector(read_addresses(rabbitmq_url), Options()), lambda wire, _: wire)
    with closing(lane):
        with lane.use(until()) as first:
            pass
        with lane.use(until()) as same:
            assert same is first
        lane.doubt()
        with lane.use(until()) as second:
            assert second is not first
        with lane.use(until()) as same:
            assert same is second


def test_the_rights_that_the_readme_names_suffice(
    open_broker: Open, shared_rabbitmq: RabbitmqServer, rabbitmq_url: str
) -> None:
    vhost = rabbitmq_url.rpartition("/")[2]
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    configure, write, read = re.findall(r"^ +'(\^\(.*\)\$)'", text, re.MULTILINE)
    shared_rabbitmq.new_user("few", "pass")
    shared_rabbitmq.allow("few", vhost, configure=configure, write=write, read=read)
    broker = open_broker(url=shared_rabbitmq.url_of(vhost, "few", "pass"))
    backend = RpcBackend("rpc://", serializer=JsonSerializer())
    backend.over(broker)
    listener = broker.subscribe(Channel("celery.pidbox"), queue="celery@few.celery.pidbox")
    with (
        closing(backend),
        closing(listener),
        closing(broker.consumer(["celery"], "few", lease=30)) as consumer,
    ):
        assert send(broker, envelope("celery", "now"), envelope("celery", "later", delay=0.2)) == [None, None]
        (first,) = consumer.receive(1, 10.0)
        assert list(consumer.settle([Settlement(first, Action.REQUEUE)])) == [True]
        (again,) = consumer.receive(1, 10.0)
        assert list(consumer.settle([Settlement(again, Action.DEAD, reason="why")])) == [True]
        assert ids(consumer.receive(1, 20.0)) == ["later"]
        assert len(broker.dead_letters("celery")) == 1
        backend.store([success("some-task", 7)])
        assert backend.wait(["some-task"], 10.0)["some-task"].result == 7
        notice = Notice(Channel("celery.pidbox"), Message({}, {}, b"{}"))
        assert list(broker.announce([notice], timeout=10.0)) == [None]
        assert len(listener.receive(1, 10.0)) == 1


def test_who_may_not_use_the_stream_of_notes_works_on_and_is_told_once(
    open_broker: Open,
    shared_rabbitmq: RabbitmqServer,
    rabbitmq_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    vhost = rabbitmq_url.rpartition("/")[2]
    shared_rabbitmq.new_user("noteless", "pass")
    shared_rabbitmq.allow("noteless", vhost, configure=r"^(?!tq\.suspects$)")
    broker = open_broker(url=shared_rabbitmq.url_of(vhost, "noteless", "pass"))
    assert send(broker, envelope("q", "one"), envelope("q", "two")) == [None, None]
    with closing(broker.consumer(["q"], "dies", lease=30)) as consumer:
        assert len(consumer.receive(1, 10.0)) == 1
    with closing(broker.consumer(["q"], "lives", lease=30)) as consumer:
        for again in (message for _ in range(2) for message in consumer.receive(1, 10.0)):
            assert again.attempt == 1
            assert list(consumer.settle([Settlement(again, Action.ACK)])) == [True]
        assert not consumer.receive(1, 0.0)
    (told,) = (record for record in caplog.records if "are not counted" in record.message)
    assert "tq.suspects" in told.message and "refused" in told.message


def test_after_answers_that_came_too_late_the_next_batch_gets_its_own(rabbitmq_server: NewServer) -> None:
    server = rabbitmq_server()
    broker = AmqpBroker(server.url)
    try:
        send(broker, envelope("q", "one"))
        server.freeze()
        with pytest.raises(BrokerUnavailable):
            broker.publish([envelope("q", "two")] * 3, timeout=0.5)
        server.thaw()
        assert [type(answer) for answer in send(broker, envelope("q", "x" * 10), *bad_and_good())] == [
            type(None),
            EncodeError,
            type(None),
        ]
        assert broker.stats("q").ready >= 3
    finally:
        broker.close()


def bad_and_good() -> list[Envelope]:
    bad = Envelope(Message({"id": "bad", "task": "t", "what": object()}, {}, b"[]"), "q")
    return [bad, envelope("q", "good")]
