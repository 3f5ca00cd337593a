"""What lies on the server: queues and exchanges as Celery makes them, messages as Celery writes them, routes."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugins.amqp.tests.conftest import Open, send, until
from tests.processes import eventually
from tests.services.rabbitmq import RabbitmqServer
from tq.errors import EncodeError, ImproperlyConfigured, PublishError
from tq.policy.route import QueueInfo, Router
from tq.records import Action, Delivery, Envelope, Message, Queue, Settlement
from tq.testing.broker_kit import envelope, ids, settle
from tq.testing.threads import at_once
from tq.wire.ids import new_id
from tq_amqp.address import Address, read_addresses
from tq_amqp.ladder import BITS, Ladder
from tq_amqp.messages import MALFORMED
from tq_amqp.options import BrokerOptions, heartbeat_of
from tq_amqp.outgoing import matches
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.channel import Channel
from tq_amqp.protocol.properties import pack_properties, read_properties
from tq_amqp.protocol.table import pack_table, read_table


def found(server: RabbitmqServer, kind: str, url: str) -> dict[str, Any]:
    """What the management interface says of a virtual host, by name."""
    return {each["name"]: each for each in server.ask("GET", f"/api/{kind}/{url.rpartition('/')[2]}")}


def test_a_queue_is_declared_as_celery_declares_it(
    open_broker: Open, shared_rabbitmq: RabbitmqServer, rabbitmq_url: str
) -> None:
    send(open_broker(), envelope("celery", "one"))
    queue = found(shared_rabbitmq, "queues", rabbitmq_url)["celery"]
    assert (queue["durable"], queue["auto_delete"], queue["exclusive"], queue["arguments"]) == (
        True,
        False,
        False,
        {},
    )
    exchange = found(shared_rabbitmq, "exchanges", rabbitmq_url)["celery"]
    assert (exchange["type"], exchange["durable"], exchange["auto_delete"]) == ("direct", True, False)
    bindings = shared_rabbitmq.ask("GET", f"/api/bindings/{rabbitmq_url.rpartition('/')[2]}")
    assert ("celery", "celery", "celery") in {
        (b["source"], b["destination"], b["routing_key"]) for b in bindings
    }


def test_a_queue_that_goes_away_by_itself_leaves_no_exchange_behind(
    open_broker: Open, shared_rabbitmq: RabbitmqServer, rabbitmq_url: str
) -> None:
    broker = open_broker(Queue("bcast.one", queue_arguments={"x-expires": 3_600_000}))
    send(broker, envelope("bcast.one", "now"), envelope("bcast.one", "later", delay=0.2))
    with closing(broker.consumer(["bcast.one"], "c", lease=30.0)) as consumer:
        got: list[Delivery] = []

        def both() -> bool:
            got.extend(consumer.receive(2, 1.0))
            return len(got) == 2

        eventually(both, "both messages")
        assert list(consumer.settle([Settlement(each) for each in got])) == [True, True]
    assert found(shared_rabbitmq, "queues", rabbitmq_url)["bcast.one"]["arguments"] == {
        "x-expires": 3_600_000
    }
    assert "bcast.one" not in found(shared_rabbitmq, "exchanges", rabbitmq_url)


def test_arguments_come_from_the_declaration_then_from_the_defaults(
    open_broker: Open, shared_rabbitmq: RabbitmqServer, rabbitmq_url: str
) -> None:
    broker = open_broker(
        Queue("own", max_priority=5),
        Queue("fast", queue_arguments={"x-queue-type": "quorum", "x-delivery-limit": 7}),
        others=Queue("", max_priority=9),
    )
    send(broker, *[envelope(name, name) for name in ("own", "fast", "other")])
    queues = found(shared_rabbitmq, "queues", rabbitmq_url)
    assert queues["own"]["arguments"] == {"x-max-priority": 5}
    assert queues["fast"]["arguments"] == {"x-queue-type": "quorum", "x-delivery-limit": 7}
    assert queues["other"]["arguments"] == {"x-max-priority": 9}


def test_a_queue_with_other_arguments_is_used_as_it_is_and_said(
    open_broker: Open, channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    channel.call(m.queue_declare("theirs", arguments={"x-max-priority": 3}), until())
    broker = open_broker()
    assert send(broker, envelope("theirs", "one")) == [None]
    assert "inequivalent arg 'x-max-priority'" in caplog.text
    with closing(broker.consumer(["theirs"], "c", lease=30)) as consumer:
        assert ids(consumer.receive(1, 10.0)) == ["one"]


def test_a_message_is_written_as_celery_writes_it(open_broker: Open, channel: Channel) -> None:
    headers = {
        "lang": "py",
        "task": "t",
        "id": "i",
        "timelimit": [2.5, None],
        "retries": 0,
        "stamps": {},
        "eta": None,
    }
    properties = {
        "correlation_id": "i",
        "reply_to": "r",
        "delivery_mode": 2,
        "priority": 0,
        "expiration": "1000",
    }
    send(open_broker(), Envelope(Message(headers, properties, b"[[],{},{}]"), "q", 4))
    (incoming,) = channel.get("q", 1, until())
    assert (incoming.exchange, incoming.key, incoming.body) == ("", "q", b"[[],{},{}]")
    assert read_properties(incoming.properties) == {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "headers": headers,
        "delivery_mode": 2,
        "priority": 4,
        "correlation_id": "i",
        "reply_to": "r",
    }


def test_a_topic_exchange_leads_to_every_queue_whose_pattern_matches(open_broker: Open) -> None:
    broker = open_broker(
        Queue("news", "events", "topic", "news.#"),
        Queue("all", "events", "topic", "#"),
        Queue("odd", "events", "topic", "x"),
    )
    for name in ("news", "all", "odd"):
        broker.consumer([name], f"declares {name}", lease=30).close()
    route: dict[str, Any] = {"exchange": "events", "routing_key": "news.sport"}
    assert send(broker, envelope("news", "now", **route), envelope("news", "later", delay=0.3, **route)) == [
        None,
        None,
    ]
    for name in ("news", "all"):
        with closing(broker.consumer([name], name, lease=30)) as consumer:
            assert ids(consumer.receive(1, 10.0)) == ["now"]
            assert ids(consumer.receive(1, 10.0)) == ["later"]
    assert broker.stats("odd").ready == 0


def test_a_call_that_names_exchange_and_key_makes_no_queue_of_that_key(
    open_broker: Open, shared_rabbitmq: RabbitmqServer, rabbitmq_url: str
) -> None:
    broker = open_broker(Queue("news", "events", "topic", "news.#"))
    router = Router(queues=[QueueInfo("news", "events", "news.#")])
    chosen = router.route("t", (), {}, {"exchange": "events", "routing_key": "news.sport"})
    how: dict[str, Any] = {"exchange": chosen.exchange, "routing_key": chosen.routing_key}
    assert send(broker, envelope(chosen.queue, "one", **how)) == [None]
    assert set(found(shared_rabbitmq, "queues", rabbitmq_url)) == {"news"}
    (refused,) = send(
        broker, envelope(chosen.queue, "two", delay=5.0, exchange="events", routing_key="sport")
    )
    assert isinstance(refused, PublishError)
    assert "no queue of task_queues is bound there" in str(refused)


def test_a_fanout_exchange_gives_each_of_its_queues_a_copy(open_broker: Open) -> None:
    broker = open_broker(Queue("one", "all", "fanout"), Queue("two", "all", "fanout"))
    for name in ("one", "two"):
        broker.consumer([name], f"declares {name}", lease=30).close()
    assert send(broker, envelope("one", "copied", exchange="all")) == [None]
    assert (broker.stats("one").ready, broker.stats("two").ready) == (1, 1)


def test_what_is_for_a_queue_alone_does_not_reach_the_others_of_its_exchange(open_broker: Open) -> None:
    broker = open_broker(Queue("one", "all", "fanout"), Queue("two", "all", "fanout"))
    broker.consumer(["one", "two"], "declares", lease=30).close()
    assert send(broker, envelope("one", "again"), envelope("one", "later", delay=0.2)) == [None, None]
    eventually(lambda: broker.stats("one").ready == 2, "both")
    assert broker.stats("two").ready == 0


def test_what_no_queue_takes_is_an_error_of_its_own(open_broker: Open) -> None:
    broker = open_broker(Queue("news", "events", "topic", "news.#"))
    lost, fine = send(
        broker,
        envelope("news", "lost", exchange="events", routing_key="sport"),
        envelope("news", "fine", exchange="events", routing_key="news.x"),
    )
    assert isinstance(lost, PublishError)
    assert "no queue took the message for exchange 'events' with routing key 'sport'" in str(lost)
    assert fine is None


def test_a_short_delay_is_not_kept_waiting_by_a_long_one(open_broker: Open) -> None:
    broker = open_broker(delay_queue_type="classic")
    send(broker, envelope("q", "long", delay=3600.0), envelope("q", "short", delay=1.1))
    with closing(broker.consumer(["q"], "c", lease=30)) as consumer:
        assert ids(consumer.receive(2, 30.0)) == ["short"]


def test_a_delay_reaches_its_own_queue_alone(open_broker: Open) -> None:
    broker = open_broker()
    send(broker, envelope("b", "one", delay=0.2), envelope("a.b", "two", delay=0.2))
    for queue, name in (("b", "one"), ("a.b", "two")):
        with closing(broker.consumer([queue], f"reads {queue}", lease=30)) as consumer:
            taken = consumer.receive(2, 30.0)
            assert ids(taken) == [name]
            assert settle(consumer, taken) == [True]
    assert (broker.stats("b").ready, broker.stats("a.b").ready) == (0, 0)


@settings(deadline=None)
@given(st.floats(0.001, 2**28 - 1))
def test_the_bits_of_a_key_are_the_seconds_of_the_delay(delay: float) -> None:
    _, key, rest = Ladder(BrokerOptions()).enter(delay, "a.queue")
    bits = key.split(".")[:BITS]
    reached = int("".join(bits), 2) + int(rest or 0) / 1000
    assert key.split(".", BITS)[BITS] == "a.queue"
    assert abs(reached - delay) <= 0.002


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=60), inner),
    max_leaves=20,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(max_size=60), _VALUES))
def test_a_table_reads_as_it_was_written(table: dict[str, Any]) -> None:
    raw = pack_table(table)
    assert read_table(raw, 0) == (table, len(raw))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_of_properties_fail_otherwise_than_it_says(raw: bytes) -> None:
    try:
        assert isinstance(read_properties(raw), dict)
    except MALFORMED as exc:
        assert type(exc) in MALFORMED or isinstance(exc, ValueError)


@pytest.mark.parametrize(
    "value", [2**63, object(), {1: 2}, {"k" * 300: 1}], ids=["huge", "object", "key", "long key"]
)
def test_what_amqp_cannot_say_is_an_encode_error(value: Any) -> None:
    with pytest.raises(EncodeError):
        pack_properties({"headers": {"x": value}})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://", Address("localhost", 5672)),
        ("amqp://host", Address("host", 5672)),
        ("amqp://host/", Address("host", 5672)),
        ("amqp://host//", Address("host", 5672)),
        ("amqp://host/%2F", Address("host", 5672)),
        ("amqp://host/shop", Address("host", 5672, "shop")),
        ("pyamqp://u:p%40ss@host:5673//shop", Address("host", 5673, "/shop", "u", "p@ss")),
        ("amqps://u@[::1]:1/v?heartbeat=5", Address("::1", 1, "v", "u", "guest", tls=True)),
    ],
)
def test_urls_are_read_as_kombu_reads_them(url: str, expected: Address) -> None:
    assert read_addresses(url) == (expected,)


@pytest.mark.parametrize(
    ("lease", "asked", "expected"),
    [(2, None, 1), (5, None, 2), (30, None, 10), (600, None, 200), (30, 60, 60), (30, 5, 10), (30, 0, 0)],
)
def test_a_consumer_beats_as_often_as_its_worker_speaks(
    lease: float, asked: float | None, expected: float
) -> None:
    assert heartbeat_of(lease, asked) == expected


def test_several_urls_share_a_scheme() -> None:
    both = (Address("a", 5672, "v"), Address("b", 5671, "v", tls=True))
    assert read_addresses("amqp://a/v;amqps://b/v") == both
    with pytest.raises(ImproperlyConfigured):
        read_addresses("a;b")


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("#", "", True),
        ("a.#", "a", True),
        ("a.*", "a", False),
        ("*.b", "a.b", True),
        ("a.#.c", "a.b.b.c", True),
        ("a", "b", False),
    ],
)
def test_topic_patterns_are_matched_as_the_server_does(pattern: str, key: str, expected: bool) -> None:
    assert matches("topic", pattern, key) is expected


@pytest.mark.parametrize("name", [f"fresh-{number}" for number in range(4)])
def test_many_may_begin_to_read_a_new_quorum_queue_at_once(open_broker: Open, name: str) -> None:
    broker = open_broker(queue_type="quorum")
    consumers = []

    def read() -> None:
        consumer = broker.consumer([name], new_id(), lease=30.0)
        consumers.append(consumer)
        assert consumer.receive(7, 0.05) == []

    at_once([read] * 6)
    send(broker, envelope(name, "one"))
    assert [task_id for each in consumers for task_id in ids(each.receive(7, 0.5))] == ["one"]
    for each in consumers:
        each.close()


@pytest.mark.parametrize("name", [f"early-{number}" for number in range(6)])
def test_many_may_send_to_a_new_quorum_queue_at_once(open_broker: Open, name: str) -> None:
    brokers = [open_broker(queue_type="quorum") for _ in range(6)]
    answers = at_once([partial(send, broker, envelope(name, f"one-{n}")) for n, broker in enumerate(brokers)])
    assert answers == [[None]] * 6
    eventually(lambda: brokers[0].stats(name).ready == 6, "each of them once")


def test_dead_letters_that_a_full_queue_refuses_stay_where_they_are(open_broker: Open) -> None:
    broker = open_broker(Queue("full", queue_arguments={"x-max-length": 1, "x-overflow": "reject-publish"}))
    for name in ("one", "two"):
        send(broker, envelope("full", name))
        with closing(broker.consumer(["full"], "c", lease=30)) as consumer:
            (delivery,) = consumer.receive(1, 10.0)
            consumer.settle([Settlement(delivery, Action.DEAD, reason="no")])
    with pytest.raises(PublishError, match="its queue is full"):
        broker.requeue_dead("full", [letter.id for letter in broker.dead_letters("full")])
    assert (broker.stats("full").ready, len(broker.dead_letters("full"))) == (1, 1)


def test_what_one_settlement_cannot_leave_does_not_double_what_the_others_leave(open_broker: Open) -> None:
    broker = open_broker(Queue("news", "events", "topic", "news.#"))
    send(broker, envelope("q", "fine"), envelope("q", "bad"))
    with closing(broker.consumer(["q"], "c", lease=30)) as consumer:
        fine, bad = consumer.receive(2, 10.0)
        routes: dict[str, Any] = {"exchange": "events", "routing_key": "nobody"}
        batch = [
            Settlement(fine, publish=(envelope("next", "follows"),)),
            Settlement(bad, publish=(envelope("news", "lost", **routes),)),
        ]
        for _ in range(2):
            with pytest.raises(PublishError, match="no queue took"):
                consumer.settle(batch)
        assert list(consumer.settle([batch[0]])) == [True]
        assert list(consumer.settle([Settlement(bad, Action.DEAD, reason="no")])) == [True]
    assert [broker.stats(name).ready for name in ("next", "q", "q.dead")] == [1, 0, 1]
