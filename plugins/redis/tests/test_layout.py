"""The keys: what Celery shares with us, and what is ours alone."""

from __future__ import annotations

import base64
import binascii
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from tq.contracts.broker import Cap
from tq.errors import ImproperlyConfigured
from tq.records import Message, TaskMeta
from tq.testing.broker_kit import BrokerKit, envelope, ids, settle
from tq.wire.json import JsonSerializer
from tq_redis import RedisBackend, RedisBroker
from tq_redis.keys import Layout, QueueKeys

if TYPE_CHECKING:
    from tests.services.kits import NewKit

SEP = "\x06\x16"


def kombus(task_id: str, priority: int = 0) -> bytes:
    """A message as kombu 5.7 writes it."""
    embed: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    body = json.dumps([[1, 2], {}, embed]).encode()
    document = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "m.add", "id": task_id, "retries": 0, "eta": None},
        "properties": {
            "correlation_id": task_id,
            "reply_to": "0e1b9d6a-0b8f-3a8e-8f6e-1c1d2f3a4b5c",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "celery"},
            "priority": priority,
            "body_encoding": "base64",
            "delivery_tag": "6f9a9d2e-7b1c-4a55-9f53-0a4c1c6f2f10",
        },
    }
    return json.dumps(document).encode()


def test_a_message_that_kombu_pushed_is_received(kit: BrokerKit, raw: Any) -> None:
    raw.lpush("celery", kombus("from-celery"))
    consumer = kit.consumer(kit.broker(), "celery")
    (delivery,) = kit.take(consumer, 1)
    assert isinstance(delivery.message, Message)
    assert delivery.message.headers["task"] == "m.add"
    assert json.loads(delivery.message.body)[0] == [1, 2]
    settle(consumer, [delivery])
    consumer.close()
    assert raw.keys("celery*") == []


def test_the_order_is_ours_then_plain_then_kombus_lists(kit: BrokerKit, raw: Any) -> None:
    broker = kit.broker()
    for step in (9, 3, 6):
        raw.lpush(f"celery{SEP}{step}", kombus(f"kombu-{step}", step))
    raw.lpush("celery", kombus("plain"))
    for priority in (1, 9, 5):
        kit.send(broker, "celery", f"ours-{priority}", priority=priority)
    consumer = kit.consumer(broker, "celery")
    order = ["ours-9", "ours-5", "ours-1", "plain", "kombu-3", "kombu-6", "kombu-9"]
    assert ids(kit.take(consumer, 7)) == order


def test_what_nobody_gave_a_priority_lies_where_celery_takes_it(kit: BrokerKit, raw: Any) -> None:
    kit.send(kit.broker(), "celery", "one", "two")
    assert raw.keys("*") == [b"celery"]
    document = json.loads(raw.rpop("celery"))
    assert document.keys() == {"body", "content-encoding", "content-type", "headers", "properties"}
    assert document["headers"]["id"] == "one"
    assert base64.b64decode(document["body"]) == b"[[],{},{}]"
    assert document["properties"]["body_encoding"] == "base64"
    assert document["properties"]["delivery_info"] == {"exchange": "", "routing_key": "celery"}
    assert document["properties"]["delivery_tag"]


def test_the_oldest_age_is_what_the_senders_say(kit: BrokerKit, raw: Any) -> None:
    broker = kit.broker()
    raw.lpush("celery", kombus("from-celery"))
    assert broker.stats("celery").oldest_age is None
    kit.send(broker, "celery", "late", priority=5)
    raw.lpush("celery", json.dumps({"headers": {"note": '"tq_ready_at":1}}'}, "properties": {}}))
    fresh = broker.stats("celery").oldest_age
    assert fresh is not None and 0 <= fresh < 60
    document = json.loads(raw.lindex("tq:{celery}:p5", 0))
    document["properties"]["tq_ready_at"] = time.time() - 1000
    # Blanks as Python writes them, and none as here.
    for separators in ((", ", ": "), (",", ":")):
        raw.lset("tq:{celery}:p5", 0, json.dumps(document, separators=separators))
        old = broker.stats("celery").oldest_age
        assert old is not None and 999 < old < 1060


def test_what_was_delayed_waits_from_when_it_is_due(kit: BrokerKit, raw: Any) -> None:
    kit.send(kit.broker(), "celery", "later", delay=500.0)
    (member,) = raw.zrange("tq:{celery}:delayed", 0, -1)
    sent = json.loads(member[member.index(b"{") :])["properties"]["tq_ready_at"]
    assert 400 < sent - time.time() <= 500


def test_what_goes_back_uncharged_is_byte_for_byte_what_came(kit: BrokerKit, raw: Any) -> None:
    messages = {
        "celery": kombus("plain"),
        f"celery{SEP}6": kombus("bucket", 6),
    }
    for key, message in messages.items():
        raw.lpush(key, message)
    consumer = kit.consumer(kit.broker(), "celery")
    kit.take(consumer, 2)
    assert not raw.exists(*messages)
    consumer.close()
    assert {key: raw.lindex(key, 0) for key in messages} == messages


@pytest.mark.parametrize(
    ("priority", "key"),
    [(None, "q"), (0, "q"), (1, "q"), (3, f"q{SEP}3"), (5, f"q{SEP}3"), (6, f"q{SEP}6"), (9, f"q{SEP}9")],
)
def test_with_celery_workers_priorities_go_where_kombu_reads_them(
    new_kit: NewKit, redis_url: str, raw: Any, priority: int | None, key: str
) -> None:
    kit = new_kit(redis_url, celery_workers=True)
    kit.send(kit.broker(), "q", "one", priority=priority)
    assert raw.keys("*") == [key.encode()]


def test_with_celery_workers_a_delayed_message_lies_in_the_queue(
    new_kit: NewKit, redis_url: str, raw: Any
) -> None:
    kit = new_kit(redis_url, celery_workers=True)
    broker = kit.broker()
    kit.send(broker, "q", "one", delay=60)
    assert "tq_parked" not in json.loads(raw.lindex("q", 0))["properties"]
    assert Cap.DELAY not in broker.capabilities
    assert Cap.PRIORITY not in broker.capabilities
    assert Cap.DELAY in RedisBroker.capabilities


def test_a_prefix_stands_before_every_key(new_kit: NewKit, redis_url: str, raw: Any) -> None:
    kit = new_kit(redis_url, global_keyprefix="app:")
    broker = kit.broker()
    kit.send(broker, "q", "plain", "dead")
    kit.send(broker, "q", "urgent", priority=5)
    kit.send(broker, "q", "later", delay=60, unique=True)
    consumer = kit.consumer(broker, "q")
    (dead,) = [d for d in kit.take(consumer, 3) if ids([d]) == ["dead"]]
    consumer.settle([])
    kit.send(broker, "q", "plain")
    settle(consumer, [dead])
    assert all(key.startswith(b"app:") for key in raw.keys("*"))
    assert {b"app:q", b"app:tq:{app:q}:delayed", b"app:tq:{app:q}:unique:later"} <= set(raw.keys("*"))


@pytest.mark.parametrize("name", ["q", "a{b}c", "{b}", "a{}c", "a{b", "}{", "grün", "a b", "x" * 500])
def test_any_queue_name_works_and_keeps_to_itself(kit: BrokerKit, name: str) -> None:
    broker = kit.broker()
    kit.send(broker, name, "one")
    kit.send(broker, "b", "other")
    consumer = kit.consumer(broker, name)
    taken = kit.take(consumer, 1)
    settle(consumer, taken, publish=(envelope(name, "two", delay=0.01),))
    assert ids(kit.take(consumer, 1)) == ["two"]
    assert broker.stats(name).in_flight == 1
    assert broker.stats("b").ready == 1


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), st.sampled_from(["", "app:", "{a}"])
)
def test_our_keys_of_a_queue_lie_in_the_slot_of_its_list(name: str, prefix: str) -> None:
    keys = QueueKeys(name, prefix, SEP)
    own = [keys.delayed, keys.consumers, keys.dead, keys.inflight("c"), keys.unique("t"), keys.lists[20]]
    slots = {key_slot(key.encode()) for key in [keys.plain, *own, *keys.lists[1:10]]}
    # A name with "}" and without a tag hashes as a whole, and what stands in braces ends at that "}".
    whole = (
        key_slot(keys.plain.encode()) == binascii.crc_hqx(keys.plain.encode(), 0) % REDIS_CLUSTER_HASH_SLOTS
    )
    assert len(slots) == 1 or (whole and "}" in keys.plain)


def test_two_queues_never_share_a_key() -> None:
    names = ["b", "a{b}", "{b}", "{b}:delayed", "b:delayed", "a{b}:x", "tq:{b}:delayed"]
    found = [key for name in names for key in own_keys(QueueKeys(name, "", SEP))]
    assert len(found) == len(set(found))


def own_keys(keys: QueueKeys) -> list[str]:
    """All of tq's own keys of one queue."""
    return [keys.delayed, keys.consumers, keys.dead, keys.buried, *keys.lists[1:10], keys.lists[20]]


def test_other_steps_make_other_lists(new_kit: NewKit, redis_url: str, raw: Any) -> None:
    raw.lpush("q|1", kombus("one", 1))
    kit = new_kit(redis_url, sep="|", priority_steps=[0, 1, 8])
    assert ids(kit.take(kit.consumer(kit.broker(), "q"), 1)) == ["one"]
    assert Layout("", "|", [0, 1, 8], True).code(7) == 11


def test_results_lie_where_celery_looks(redis_url: str, raw: Any) -> None:
    backend = RedisBackend(redis_url, serializer=JsonSerializer(), expires=60)
    heard = raw.pubsub(ignore_subscribe_messages=True)
    heard.subscribe("celery-task-meta-a")
    backend.store([TaskMeta("a", "SUCCESS", 5, children=[], date_done="2026-01-01T00:00:00+00:00")])
    document = {
        "status": "SUCCESS",
        "result": 5,
        "traceback": None,
        "children": [],
        "date_done": "2026-01-01T00:00:00+00:00",
        "task_id": "a",
    }
    stored = raw.get("celery-task-meta-a")
    assert json.loads(stored) == document
    assert 0 < raw.ttl("celery-task-meta-a") <= 60
    messages = [m for m in (heard.get_message(timeout=1) for _ in range(3)) if m]
    assert [m["data"] for m in messages] == [stored]
    heard.close()
    backend.close()


@pytest.mark.parametrize(("prefix", "key"), [("app", "app_"), ("app:", "app:"), ("app_", "app_"), ("", "")])
def test_a_prefix_of_results_is_set_off_as_celery_does(
    redis_url: str, raw: Any, prefix: str, key: str
) -> None:
    backend = RedisBackend(redis_url, {"global_keyprefix": prefix}, serializer=JsonSerializer(), expires=None)
    backend.store([TaskMeta("a", "STARTED")])
    assert raw.keys("*") == [f"{key}celery-task-meta-a".encode()]
    assert raw.ttl(f"{key}celery-task-meta-a") == -1
    backend.close()


def test_documents_that_celery_wrote_are_read(redis_url: str, raw: Any) -> None:
    import zlib

    document = b'{"task_id": "a", "status": "SUCCESS", "result": [1], "children": [], "traceback": null}'
    raw.set("celery-task-meta-a", document)
    raw.set(
        "celery-task-meta-b", b"\x00celery-compressed\x00application/x-gzip\x00" + zlib.compress(document)
    )
    backend = RedisBackend(redis_url, serializer=JsonSerializer())
    assert {i: meta.result for i, meta in backend.get(["a", "b", "c"]).items()} == {"a": [1], "b": [1]}
    backend.store([TaskMeta("a", "FAILURE")])
    assert raw.get("celery-task-meta-a") == document
    backend.close()


@pytest.mark.parametrize("name", ["visibility_timeout", "fanout_prefix", "health_check_interval"])
def test_an_option_of_celery_without_a_meaning_says_why(redis_url: str, name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"'{name}'.*has no meaning here"):
        RedisBroker(redis_url, {name: 1})
    with pytest.raises(ImproperlyConfigured, match="has no meaning here"):
        RedisBackend(f"{redis_url}?{name}=1", serializer=JsonSerializer())
