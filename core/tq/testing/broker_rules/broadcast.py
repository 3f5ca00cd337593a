"""Announcements: heard by all who listen at that moment, kept for nobody, never in anybody's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import ClassVar

import pytest

from tq.contracts.broker import Broker, Cap
from tq.contracts.subscription import MOST_HEARD
from tq.errors import PublishError
from tq.records import Channel, Heard, Message, Notice
from tq.testing.broker_kit import BrokerKit
from tq.testing.forks import in_child
from tq.testing.needs import needs
from tq.testing.waiting import eventually


class Broadcast:
    """Tests of `announce` and `subscribe`."""

    broker_class: ClassVar[type[Broker]]

    @pytest.fixture
    def fanout(self, queue: str) -> Channel:
        return Channel(f"{queue}.pidbox")

    @pytest.fixture
    def topic(self, queue: str) -> Channel:
        return Channel(f"{queue}.ev", "topic", durable=True)

    @pytest.fixture
    def direct(self, queue: str) -> Channel:
        return Channel(f"reply.{queue}.pidbox", "direct")

    @needs(Cap.BROADCAST)
    def test_all_who_listen_hear_it_in_order(self, kit: BrokerKit, broker: Broker, fanout: Channel) -> None:
        here, there = kit.listen(broker, fanout), kit.listen(kit.broker(), fanout, queue="w1@a.x.pidbox")
        words = [f"word {number}" for number in range(50)]
        say(broker, fanout, *words[:20])
        say(broker, fanout, *words[20:])
        assert said(kit.hear(here, 50)) == words
        assert said(kit.hear(there, 50)) == words

    @needs(Cap.BROADCAST)
    def test_a_message_arrives_as_it_was_announced(
        self, kit: BrokerKit, broker: Broker, fanout: Channel
    ) -> None:
        listener = kit.listen(broker, fanout)
        message = Message({"clock": 3, "ticket": "größe"}, {"delivery_mode": 2}, b"\x00\xff", "a/b", "binary")
        assert list(broker.announce([Notice(fanout, message)], timeout=30.0)) == [None]
        (heard,) = kit.hear(listener, 1)
        assert isinstance(heard.message, Message)
        got = heard.message
        assert (got.headers["clock"], got.headers["ticket"], got.body) == (3, "größe", b"\x00\xff")
        assert (got.content_type, got.content_encoding) == ("a/b", "binary")

    @needs(Cap.BROADCAST)
    def test_a_topic_is_heard_by_patterns(self, kit: BrokerKit, broker: Broker, topic: Channel) -> None:
        keys = ["task.sent", "task.multi", "worker.heartbeat", "worker.elect.ack", "worker"]
        wanted = {
            "#": keys,
            "worker.#": keys[2:],
            "task.sent": keys[:1],
            "*.multi": keys[1:2],
            "worker.*": keys[2:3],
            "no.such": [],
        }
        listeners = {pattern: kit.listen(broker, topic, pattern) for pattern in wanted}
        batch = [Notice(topic, word(key), key) for key in keys]
        assert list(broker.announce(batch, timeout=30.0)) == [None] * len(keys)
        for pattern, expected in wanted.items():
            heard = kit.hear(listeners[pattern], len(expected))
            assert ([each.routing_key for each in heard], said(heard)) == (expected, expected)
            assert list(listeners[pattern].receive(10, kit.moment)) == []

    @needs(Cap.BROADCAST)
    def test_a_direct_channel_reaches_its_key_alone(
        self, kit: BrokerKit, broker: Broker, direct: Channel
    ) -> None:
        mine, other = kit.listen(kit.broker(), direct, "mine"), kit.listen(broker, direct, "other")
        broker.announce([Notice(direct, word(key), key) for key in ("mine", "nobody", "mine")], timeout=30.0)
        assert said(kit.hear(mine, 2)) == ["mine", "mine"]
        assert list(mine.receive(10, kit.moment)) == []
        assert list(other.receive(10, kit.moment)) == []

    @needs(Cap.BROADCAST)
    @pytest.mark.parametrize("kind", ["fanout", "topic"])
    def test_nothing_is_kept_for_who_comes_later(
        self, kit: BrokerKit, broker: Broker, queue: str, kind: str
    ) -> None:
        channel = Channel(f"{queue}.late", kind)
        say(broker, channel, "before")
        listener = kit.listen(broker, channel, "#")
        say(broker, channel, "after")
        assert said(kit.hear(listener, 1)) == ["after"]

    @needs(Cap.BROADCAST)
    def test_a_closed_listener_leaves_the_others(
        self, kit: BrokerKit, broker: Broker, fanout: Channel
    ) -> None:
        one, other = kit.listen(broker, fanout), kit.listen(broker, fanout)
        one.close()
        one.close()
        say(broker, fanout, "still")
        assert said(kit.hear(other, 1)) == ["still"]

    @needs(Cap.BROADCAST)
    def test_receive_hands_out_no_more_than_its_limit(
        self, kit: BrokerKit, broker: Broker, fanout: Channel
    ) -> None:
        listener = kit.listen(broker, fanout)
        say(broker, fanout, "a", "b", "c")
        first = kit.hear(listener, 2)
        assert said(first) == ["a", "b"]
        assert said(kit.hear(listener, 1)) == ["c"]

    @needs(Cap.BROADCAST)
    @pytest.mark.parametrize("pattern", ["#", "task.*", "task.multi"])
    def test_who_listens_is_reckoned_with(
        self, kit: BrokerKit, broker: Broker, topic: Channel, pattern: str
    ) -> None:
        # Whether nobody listens some brokers cannot tell.
        kit.listen(kit.broker(), topic, pattern)
        assert broker.is_heard(Notice(topic, word("anybody?"), "task.multi"), timeout=30.0)

    @needs(Cap.BROADCAST)
    def test_a_bad_notice_leaves_its_neighbours(
        self, kit: BrokerKit, broker: Broker, fanout: Channel
    ) -> None:
        listener = kit.listen(broker, fanout)
        bad = Message({"x": object()}, {}, b"")
        answers = broker.announce(
            [Notice(fanout, each) for each in (word("a"), bad, word("b"))], timeout=30.0
        )
        assert [type(answer) for answer in answers] == [type(None), PublishError, type(None)]
        assert said(kit.hear(listener, 2)) == ["a", "b"]

    @needs(Cap.BROADCAST)
    def test_an_interrupt_ends_a_wait_for_announcements(
        self, kit: BrokerKit, broker: Broker, fanout: Channel
    ) -> None:
        listener = kit.listen(broker, fanout)
        timer = threading.Timer(kit.moment, listener.interrupt)
        timer.start()
        started = time.monotonic()
        assert list(listener.receive(1, kit.patience * 3)) == []
        assert time.monotonic() - started < kit.patience * 2
        timer.join()
        listener.interrupt()
        assert list(listener.receive(1, kit.patience * 3)) == []
        assert time.monotonic() - started < kit.patience * 2
        say(broker, fanout, "on")
        assert said(kit.hear(listener, 1)) == ["on"]

    @needs(Cap.BROADCAST)
    def test_a_listener_that_does_not_read_holds_up_nobody(
        self, kit: BrokerKit, broker: Broker, fanout: Channel
    ) -> None:
        lazy, busy = kit.listen(broker, fanout), kit.listen(kit.broker(), fanout)
        read: list[str] = []
        many = 2 * MOST_HEARD
        for start in range(0, many, 1000):
            say(broker, fanout, *map(str, range(start, start + 1000)))
            read += said(kit.hear(busy, 1000))
        assert read == [str(number) for number in range(many)]
        kept = 0
        while some := lazy.receive(5000, kit.moment):
            kept += len(some)
        assert 0 < kept <= many, "it may lose some, and reads on"

    @needs(Cap.BROADCAST)
    def test_a_listener_hears_again_after_a_restart(
        self, kit: BrokerKit, broker: Broker, fanout: Channel, restart_service: Callable[[], None]
    ) -> None:
        listener = kit.listen(broker, fanout)
        say(broker, fanout, "before")
        assert said(kit.hear(listener, 1)) == ["before"]
        restart_service()

        def hears() -> bool:
            kit.survive(lambda: say(broker, fanout, "after"))
            return "after" in said(kit.survive(lambda: listener.receive(10, kit.moment)))

        eventually(hears, "a word after the restart")

    @needs(Cap.BROADCAST | Cap.SHARED)
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_child_is_heard_by_its_parent(self, kit: BrokerKit, broker: Broker, fanout: Channel) -> None:
        listener = kit.listen(broker, fanout)

        def child() -> None:
            broker.after_fork()
            say(broker, fanout, "from the child")

        assert in_child(child) == 0
        assert said(kit.hear(listener, 1)) == ["from the child"]


def word(text: str) -> Message:
    """A message that says one thing."""
    return Message({"clock": 1}, {"delivery_mode": 2}, text.encode())


def say(broker: Broker, channel: Channel, *texts: str) -> None:
    """Announce these, which must be accepted."""
    answers = broker.announce([Notice(channel, word(text), "a.key") for text in texts], timeout=30.0)
    assert list(answers) == [None] * len(texts), f"good announcements were refused: {answers}"


def said(heard: Iterable[Heard]) -> list[str]:
    """What was heard, in order."""
    return [each.message.body.decode() if isinstance(each.message, Message) else repr(each) for each in heard]
