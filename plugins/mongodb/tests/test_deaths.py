"""Deaths between two steps: each message stays in one place, and what was decided is finished by others."""

from __future__ import annotations

import time
from typing import Any

import pytest

from plugins.mongodb.tests.conftest import Raw
from tq.errors import BrokerError, LeaseLost
from tq.records import Action, Revocation
from tq.testing.broker_kit import BrokerKit, envelope, ids, names, settle
from tq_mongodb.consumer import MongoConsumer
from tq_mongodb.lives import Lives
from tq_mongodb.settling import Settling


class Death(BaseException):
    """Ends a worker in the middle of something."""


def die(*_: Any, **__: Any) -> None:
    """In place of a step."""
    raise Death


@pytest.mark.parametrize("action", list(Action))
def test_a_settlement_that_was_decided_is_finished_by_others(
    kit: BrokerKit, raw: Raw, monkeypatch: pytest.MonkeyPatch, action: Action
) -> None:
    broker, (unique,) = kit.broker(), names(1)
    kit.send(broker, "q", "first")
    consumer = kit.consumer(broker, "q")
    follow_ups = (envelope("q", "next"), envelope("q", unique, unique=True), envelope("q", "late", delay=60))
    taken = kit.take(consumer, 1)
    with monkeypatch.context() as patched, pytest.raises(Death):
        patched.setattr(Settling, "finish", die)
        settle(consumer, taken, action, publish=follow_ups, reason="why")
    assert broker.stats("q").ready == 0, "nothing is handed out before it is finished"
    other = kit.broker()
    other.release(consumer.id)
    for _ in range(2):
        other.maintain(["q"])
    kit.send(other, "q", unique, unique=True)
    stats = other.stats("q")
    back = ["first"] if action is Action.REQUEUE else []
    reader = kit.consumer(other, "q")
    assert sorted(ids(kit.take(reader, 2 + len(back)))) == sorted(["next", unique, *back])
    assert kit.rest(reader) == []
    assert (stats.delayed, stats.dead) == (1, 1 if action is Action.DEAD else 0)
    assert raw["tq_messages"].count_documents({"s": {"$in": ["staged", "commit"]}}) == 0


def test_a_settlement_that_was_not_decided_never_was(
    kit: BrokerKit, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "first")
    ghost = kit.consumer(broker, "q")
    taken = kit.take(ghost, 1)
    kit.broker().release(ghost.id)
    # It was alive when it looked, and is dead when it decides.
    monkeypatch.setattr(Lives, "beats", lambda self, consumer_id: 0)
    with monkeypatch.context() as patched:
        patched.setattr(Settling, "finish", die)
        assert Settling.publish(ghost._settling, ghost.id, ghost._held[0], _settlement(taken[0])) is False  # type: ignore[attr-defined]
    assert raw["tq_messages"].count_documents({}) == 1
    raw["tq_messages"].insert_many(
        [{"s": "staged", "txn": f"t{age}", "at": time.time() - age} for age in (60, 2 * 86400)]
    )
    kit.broker().maintain(["q"])
    assert [each["txn"] for each in raw["tq_messages"].find({"s": "staged"})] == ["t60"]


def _settlement(delivery: Any) -> Any:
    from tq.records import Settlement

    return Settlement(delivery, publish=(envelope("q", "of-a-ghost"),))


def test_a_consumer_that_is_declared_dead_while_it_claims_gives_back(
    kit: BrokerKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "one", "two")
    slow = kit.consumer(broker, "q")
    real = MongoConsumer._claim

    def claim(self: MongoConsumer, *args: Any) -> Any:
        kit.broker().release(self.id)
        return real(self, *args)

    with monkeypatch.context() as patched, pytest.raises(LeaseLost):
        patched.setattr(MongoConsumer, "_claim", claim)
        slow.receive(2, 0.0)
    taken = kit.take(kit.consumer(broker, "q"), 2)
    assert [(name, each.attempt) for name, each in zip(ids(taken), taken, strict=True)] == [
        ("one", 1),
        ("two", 1),
    ]


def test_what_a_dead_consumer_held_is_given_back_also_when_whoever_ended_it_died(
    kit: BrokerKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "ran", "waited")
    dead = kit.consumer(broker, "q")
    kit.take(dead, 2)
    with monkeypatch.context() as patched, pytest.raises(Death):
        patched.setattr(Lives, "give_back", die)
        broker.release(dead.id, running=[0], action=Action.DEAD, reason="killed")
    assert ids(kit.broker().maintain(["q"])) == ["ran"]
    assert [letter.reason for letter in broker.dead_letters("q")] == ["killed"]
    assert ids(kit.take(kit.consumer(broker, "q"), 1)) == ["waited"]


def test_two_that_claim_the_same_get_each_message_once_and_charge_the_first_of_what_they_got(
    kit: BrokerKit, raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "a", "b", "c")
    slow, fast = kit.consumer(broker, "q", lease=60), kit.consumer(broker, "q")
    real = MongoConsumer._claim

    def claim(self: MongoConsumer, *args: Any) -> Any:
        if self is slow:
            assert ids(fast.receive(1, 0.0)) == ["a"]
        return real(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(MongoConsumer, "_claim", claim)
        assert ids(slow.receive(3, 0.0)) == ["b", "c"]
    firsts = raw["tq_messages"].find({"c": slow.id, "f": 0})
    assert [each["r"] for each in firsts] == [1]


def test_the_mark_of_a_unique_message_stays_for_a_day_without_its_body(kit: BrokerKit, raw: Raw) -> None:
    broker, (done, purged, dropped) = kit.broker(), names(3)
    kit.send(broker, "q", done, dropped, purged, unique=True)
    consumer = kit.consumer(broker, "q")
    taken = kit.take(consumer, 2)
    settle(consumer, taken[:1])
    settle(consumer, taken[1:], Action.DEAD, reason="why")
    assert broker.drop_dead("q", [letter.id for letter in broker.dead_letters("q")]) == 1
    assert broker.purge("q") == 1
    marks = list(raw["tq_messages"].find({}))
    assert [(each["s"], "raw" in each) for each in marks] == [("gone", False)] * 3
    assert all(86000 < each["until"].timestamp() - time.time() < 86800 for each in marks)
    kit.send(broker, "q", done, dropped, purged, unique=True)
    assert broker.stats("q").ready == 0


def test_revocations_that_expired_are_removed_and_versions_go_on(kit: BrokerKit, raw: Raw) -> None:
    broker = kit.broker()
    for name in ("a", "b"):
        broker.revoke([Revocation(name)], expires=-1)
    broker.maintain([])
    assert raw["tq_revocations"].count_documents({}) == 1
    broker.revoke([Revocation("c")], expires=60)
    assert broker.revoked(2) == (3, [Revocation("c")])


def test_an_id_is_not_used_twice(kit: BrokerKit) -> None:
    broker = kit.broker()
    kit.consumer(broker, "q", consumer_id="once").close()
    with pytest.raises(BrokerError, match="'once' was used before"):
        broker.consumer(["q"], "once", lease=1)
