"""Deaths between any two steps: each message stays in one place, and what was decided is finished by others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tq.records import Action, Revocation
from tq.testing.broker_kit import BrokerKit, envelope, ids, names, settle
from tq.testing.forks import in_child
from tq_filesystem import FilesystemBroker, shelf
from tq_filesystem.place import Place

STEPS = ("rename", "link", "unlink", "mkdir", "open", "write", "rmdir")
Work = Callable[[BrokerKit], None]


def dies_at(step: int, work: Work, kit: BrokerKit) -> bool:
    """Do the work in a child that dies before its system call of this number; whether it died."""

    def child() -> None:
        left = step

        def dying(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                nonlocal left
                if not left:
                    os._exit(77)
                left -= 1
                return real(*args, **kwargs)

            return call

        for name in STEPS:
            setattr(os, name, dying(getattr(os, name)))
        work(kit)

    status = in_child(child)
    assert status in (0, 77)
    return status == 77


def every_step(tmp_path: Path, before: Work, work: Work, check: Callable[[BrokerKit], None]) -> int:
    """Let the work die at each of its steps, each time in a new folder; how many there are."""
    step = 0
    while True:
        kit = BrokerKit(FilesystemBroker, f"filesystem://{tmp_path}/{step}", {}, 1.0)
        before(kit)
        died = dies_at(step, work, kit)
        check(kit)
        kit.close()
        if not died:
            return step
        step += 1


def what_waits(kit: BrokerKit) -> list[str]:
    """Task ids of all that is handed out after the worker was declared dead, twice."""
    broker = kit.broker()
    broker.release("worker")
    for _ in range(2):
        broker.maintain(["q"])
    consumer = kit.consumer(broker, "q")
    return sorted(ids(consumer.receive(100, 0.0)))


def lend(kit: BrokerKit) -> None:
    """Three messages, for a worker to take."""
    kit.send(kit.broker(), "q", "a", "b", "c")


def worker(kit: BrokerKit) -> Any:
    return kit.broker().consumer(["q"], "worker", lease=60)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_publisher_that_dies_sent_a_message_whole_or_not(tmp_path: Path) -> None:
    def publish(kit: BrokerKit) -> None:
        kit.send(kit.broker(), "q", "new", "next")

    def check(kit: BrokerKit) -> None:
        assert what_waits(kit) in (["a", "b", "c"], ["a", "b", "c", "new"], ["a", "b", "c", "new", "next"])

    assert every_step(tmp_path, lend, publish, check) > 7


def test_messages_of_a_publisher_that_died_before_it_rang_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "UNTOLD", 0.05)
    kit = BrokerKit(FilesystemBroker, f"filesystem://{tmp_path}", {}, 1.0)
    consumer = kit.consumer(kit.broker(), "q")
    assert not consumer.receive(9, 0.0)
    monkeypatch.setattr(Place, "ring", lambda place, queue: None)
    lend(kit)
    assert ids(consumer.receive(9, 30.0)) == ["a", "b", "c"]
    kit.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_unique_message_that_is_sent_again_after_a_death_comes_once(tmp_path: Path) -> None:
    (name,) = names(1)

    def publish(kit: BrokerKit) -> None:
        kit.send(kit.broker(), "q", name, unique=True)

    def check(kit: BrokerKit) -> None:
        publish(kit)
        assert what_waits(kit) == [name]

    assert every_step(tmp_path, lambda kit: None, publish, check) > 10


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("action", list(Action))
def test_a_settlement_that_publishes_happens_whole_or_not(tmp_path: Path, action: Action) -> None:
    def work(kit: BrokerKit) -> None:
        consumer = worker(kit)
        follow_ups = (envelope("q", "d"), envelope("q", "e", unique=True), envelope("other", "f"))
        settle(consumer, kit.take(consumer, 3)[:1], action, publish=follow_ups, reason="why")

    def check(kit: BrokerKit) -> None:
        waiting = what_waits(kit)
        other = ids(kit.consumer(kit.broker(), "other").receive(9, 0.0))
        dead = kit.broker().dead_letters("q")
        if waiting == ["a", "b", "c"]:
            assert (other, dead) == ([], [])
            return
        assert waiting == sorted((["a"] if action is Action.REQUEUE else []) + ["b", "c", "d", "e"])
        assert (other, [letter.reason for letter in dead]) == (
            ["f"],
            ["why"] if action is Action.DEAD else [],
        )

    assert every_step(tmp_path, lend, work, check) > 30


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_whoever_gives_back_may_die_as_well(tmp_path: Path) -> None:
    def before(kit: BrokerKit) -> None:
        lend(kit)
        kit.take(worker(kit), 3)

    def release(kit: BrokerKit) -> None:
        kit.broker().release("worker", running=[0], action=Action.DEAD, reason="killed")

    def check(kit: BrokerKit) -> None:
        waiting = what_waits(kit)
        dead = [letter.reason for letter in kit.broker().dead_letters("q")]
        assert (waiting, dead) in ((["a", "b", "c"], []), (["b", "c"], ["killed"]))

    assert every_step(tmp_path, before, release, check) > 8


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_registering_settling_and_revoking_may_die_anywhere(tmp_path: Path) -> None:
    def work(kit: BrokerKit) -> None:
        broker, consumer = kit.broker(), worker(kit)
        a, b, c = kit.take(consumer, 3)
        settle(consumer, [a])
        settle(consumer, [b], Action.REQUEUE, delay=0.001)
        settle(consumer, [c], Action.DEAD, reason="why")
        broker.requeue_dead("q", [letter.id for letter in broker.dead_letters("q")])
        broker.revoke([Revocation("a")], expires=60)
        consumer.close()

    def check(kit: BrokerKit) -> None:
        broker = kit.broker()
        waiting, dead = what_waits(kit), broker.dead_letters("q")
        found = sorted(waiting + [str(each.message.headers["id"]) for each in dead])  # type: ignore[union-attr]
        assert found in (["a", "b", "c"], ["b", "c"])
        assert list(broker.revoked()[1]) in ([], [Revocation("a")])

    assert every_step(tmp_path, lend, work, check) > 20
