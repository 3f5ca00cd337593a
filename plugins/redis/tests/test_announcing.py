"""Announcements as kombu names and writes them, and what is left of them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from tq.records import Channel, Message, Notice
from tq.testing.broker_kit import BrokerKit

if TYPE_CHECKING:
    from tests.services.kits import NewKit

PIDBOX = Channel("celery.pidbox")
EVENTS = Channel("celeryev", "topic", durable=True)
REPLIES = Channel("reply.celery.pidbox", "direct")
BOUND = b"me\x06\x16\x06\x16me.reply.celery.pidbox"


def say(kit: BrokerKit, channel: Channel, key: str = "") -> None:
    message = Message({"clock": 1}, {"delivery_mode": 2}, b"{}")
    assert list(kit.broker().announce([Notice(channel, message, key)], timeout=5)) == [None]


def test_channels_are_named_as_kombus(kit: BrokerKit, raw: Any) -> None:
    pubsub = raw.pubsub(ignore_subscribe_messages=True)
    pubsub.psubscribe("/0.celery*")
    pubsub.get_message(timeout=5)
    say(kit, PIDBOX)
    say(kit, EVENTS, "task.sent")
    heard: list[Any] = []
    while len(heard) < 2:
        if found := pubsub.get_message(timeout=5):
            heard.append(found)
    pubsub.close()
    assert [each["channel"] for each in heard] == [b"/0.celery.pidbox", b"/0.celeryev/task.sent"]
    document = json.loads(heard[0]["data"])
    assert base64.b64decode(document["body"]) == b"{}"
    assert document["headers"] == {"clock": 1}
    assert document["properties"]["delivery_info"] == {"exchange": "celery.pidbox", "routing_key": ""}


def test_a_prefix_stands_before_channels_and_keys(redis_url: str, new_kit: NewKit, raw: Any) -> None:
    kit = new_kit(redis_url, global_keyprefix="pre.")
    listener = kit.listen(kit.broker(), PIDBOX)
    assert raw.pubsub_channels("*pidbox") == [b"pre./0.celery.pidbox"]
    say(kit, REPLIES, "me")
    assert raw.keys("*.pidbox") == [b"pre.me.reply.celery.pidbox"]
    listener.close()


def test_a_reply_to_nobody_expires(kit: BrokerKit, raw: Any) -> None:
    say(kit, REPLIES, "me")
    assert 0 < raw.pttl("me.reply.celery.pidbox") <= 10_000


def test_who_waits_for_replies_is_known_to_kombu_until_it_leaves(kit: BrokerKit, raw: Any) -> None:
    listener = kit.listen(kit.broker(), REPLIES, "me")
    assert raw.smembers("_kombu.binding.reply.celery.pidbox") == {BOUND}
    say(kit, REPLIES, "me")
    listener.close()
    assert raw.keys("*reply.celery.pidbox") == []


def test_a_listener_of_a_strange_name_hears_its_own_channel_alone(kit: BrokerKit) -> None:
    strange, other = Channel("a[bc]*", "topic"), Channel("ab", "topic")
    listener = kit.listen(kit.broker(), strange, "x.#")
    say(kit, other, "x.y")
    say(kit, strange, "y.x")
    say(kit, strange, "x")
    assert [heard.routing_key for heard in kit.hear(listener, 1)] == ["x"]
    assert list(listener.receive(10, kit.moment)) == []


def test_whether_anybody_listens_is_known(kit: BrokerKit) -> None:
    asking = Notice(EVENTS, Message({}, {}, b"[]"), "task.multi")
    broker = kit.broker()
    assert not broker.is_heard(asking, timeout=30)
    listener = kit.listen(broker, EVENTS, "task.#")
    assert broker.is_heard(asking, timeout=30)
    listener.close()
    kit.eventually(lambda: not broker.is_heard(asking, timeout=30), "nobody listens any more")


def test_a_fanout_with_a_key_is_said_where_kombu_listens_and_heard_without_it_too(
    kit: BrokerKit, raw: Any
) -> None:
    keyed, plain = Channel("news", key="celery"), Channel("news")
    listener = kit.listen(kit.broker(), keyed)
    assert raw.pubsub_numsub("/0.news", "/0.news/celery") == [(b"/0.news", 1), (b"/0.news/celery", 1)]
    say(kit, keyed)
    say(kit, plain)
    assert len(kit.hear(listener, 2)) == 2
    assert list(listener.receive(10, kit.moment)) == []
