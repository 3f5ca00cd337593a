"""Lines that hang and lose answers: no lease ends because an answer was slow, and what was lent unseen is handed out."""

from __future__ import annotations

import itertools
import time
from types import SimpleNamespace
from typing import Any

import pytest

from plugins.mongodb.tests.conftest import Raw
from tq.errors import BrokerUnavailable
from tq.records import Action, Settlement
from tq.testing.broker_kit import BrokerKit, beat, ids, names, settle
from tq_mongodb import MongoBroker
from tq_mongodb.clock import Clock
from tq_mongodb.consumer import MongoConsumer

SERVER = 5_000.0
"""What the server's clock shows when ours begins."""


class Line:
    """A server's clock behind a line; its answers, once they left the server, take `delays` seconds."""

    def __init__(self, *delays: float) -> None:
        self.delays = list(delays)
        self.passed = 0.0
        self.wall = 1_000_000.0
        self.asked = 0

    def monotonic(self) -> float:
        return self.passed

    def time(self) -> float:
        return self.wall + self.passed

    def ask(self) -> float:
        self.asked += 1
        told = SERVER + self.passed
        self.passed += self.delays.pop(0) if self.delays else 0.01
        return told

    def error(self, clock: Clock) -> float:
        return abs(clock.now() - SERVER - self.passed)


@pytest.mark.parametrize(("delays", "worst"), [([4.0], 0.1), ([4.0, 4.0, 0.8], 0.5), ([0.01], 0.1)])
def test_a_slow_answer_does_not_set_the_clock(
    monkeypatch: pytest.MonkeyPatch, delays: list[float], worst: float
) -> None:
    line = Line(*delays)
    monkeypatch.setattr("tq_mongodb.clock.time", line)
    clock = Clock(line.ask)
    assert line.error(clock) < worst
    asked = line.asked
    line.passed += 5
    assert line.error(clock) < worst
    assert line.asked == asked, "what is known counts for a while"


def test_a_clock_that_is_moved_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line()
    monkeypatch.setattr("tq_mongodb.clock.time", line)
    clock = Clock(line.ask)
    for jump in (0, 3600, -7200):
        line.wall += jump
        assert line.error(clock) < 0.1


def test_only_slow_answers_are_asked_for_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(4.0, 4.0, 4.0)
    monkeypatch.setattr("tq_mongodb.clock.time", line)
    clock = Clock(line.ask)
    clock.now()
    line.passed += 2
    assert line.error(clock) < 0.1


@pytest.fixture
def late(kit: BrokerKit, monkeypatch: pytest.MonkeyPatch) -> MongoBroker:
    """A broker that knows the server's time from long ago."""
    made = kit.broker()
    assert isinstance(made, MongoBroker)
    monkeypatch.setattr(made._store, "now", lambda: time.time() - 1000)
    return made


def test_a_heartbeat_counts_from_its_arrival(kit: BrokerKit, late: MongoBroker) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "one")
    consumer = kit.consumer(broker, "q")
    taken = kit.take(consumer, 1)
    assert beat(late, consumer, 60)
    assert list(kit.broker().maintain(["q"])) == []
    assert settle(consumer, taken) == [True]


def test_a_consumer_whose_registration_took_long_has_a_whole_lease(
    kit: BrokerKit, late: MongoBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tq_mongodb.lives.time", SimpleNamespace(monotonic=itertools.count(0, 50).__next__))
    consumer = kit.consumer(late, "q")
    kit.broker().maintain(["q"])
    assert list(consumer.receive(1, 0)) == []


def test_what_was_lent_although_no_answer_came_is_handed_out_once_and_in_order(
    kit: BrokerKit, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, sent = kit.broker(), names(5)
    kit.send(broker, "q", *sent)
    consumer = kit.consumer(broker, "q")
    first = kit.take(consumer, 1)
    real = MongoConsumer._claim

    def claim(self: MongoConsumer, *args: Any) -> Any:
        real(self, *args)
        raise BrokerUnavailable("the answer is lost", url="mongodb://somewhere")

    with monkeypatch.context() as patched, pytest.raises(BrokerUnavailable):
        patched.setattr(MongoConsumer, "_claim", claim)
        consumer.receive(3, 0)
    assert beat(broker, consumer, 60)
    again = kit.take(consumer, 1)
    assert [each["r"] for each in raw["tq_messages"].find({"c": consumer.id, "f": 1})] == [again[0].receipt]
    rest = [*again, *kit.take(consumer, 3)]
    assert ids(rest) == sent[1:]
    assert settle(consumer, [*first, *rest]) == [True] * 5
    assert kit.rest(consumer) == []
    assert raw["tq_messages"].count_documents({}) == 0


@pytest.mark.parametrize("action", list(Action))
def test_a_settlement_that_arrives_late_leaves_the_next_delivery_of_the_message_alone(
    kit: BrokerKit, action: Action
) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "one")
    consumer = kit.consumer(broker, "q")
    (old,) = kit.take(consumer, 1)
    assert isinstance(consumer, MongoConsumer)
    held = dict(consumer._held[int(old.receipt)])
    assert settle(consumer, [old], Action.REQUEUE) == [True]
    again = kit.take(consumer, 1)
    if action is Action.ACK:
        assert consumer._settling.acknowledge(consumer.id, [held]) == [False]
    else:
        assert not consumer._settling.settle(consumer.id, held, Settlement(old, action, reason="why"))
    assert len(broker.held(consumer.id, [int(again[0].receipt)])) == 1
    assert settle(consumer, again) == [True]
