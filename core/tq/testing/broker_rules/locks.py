"""Locks: of messages with one key, one waits or is lent at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, ClassVar

from tq.contracts.broker import Broker, Cap
from tq.errors import TaskLocked
from tq.records import Action, Envelope, Lock, Settlement
from tq.testing.broker_kit import BrokerKit, envelope, ids, names, settle
from tq.testing.needs import needs

HOUR = 3600.0


def locked(queue: str, task_id: str, key: str = "k", seconds: float = HOUR, **how: Any) -> Envelope:
    """A message that takes a lock."""
    return envelope(queue, task_id, lock=Lock(key, task_id, seconds), **how)


def owners(answer: Sequence[Exception | None]) -> list[str | None]:
    """Whose lock kept each message out."""
    assert all(each is None or isinstance(each, TaskLocked) for each in answer), answer
    return [each.task_id if isinstance(each, TaskLocked) else None for each in answer]


class Locks:
    """Tests of `Envelope.lock`, `Settlement.unlock` and `unlock`."""

    broker_class: ClassVar[type[Broker]]

    @needs(Cap.LOCKS)
    def test_a_lock_keeps_a_second_message_out_and_says_whose_it_is(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        one, two, other, plain = names(4)
        batch = [
            locked(queue, one),
            locked(queue, two),
            locked(queue, other, "other"),
            envelope(queue, plain),
        ]
        assert owners(kit.publish(broker, batch)) == [None, one, None, None]
        assert owners(kit.publish(kit.broker(), [locked(queue, two)])) == [one]
        consumer = kit.consumer(broker, queue)
        assert sorted(ids(kit.take(consumer, 3))) == sorted([one, other, plain])
        assert owners(kit.publish(broker, [locked(queue, two)])) == [one], "a lent message keeps its lock"
        assert kit.rest(consumer) == []

    @needs(Cap.LOCKS)
    def test_a_lock_is_of_its_queue_and_of_any_text(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        one, two, three = names(3)
        key = 'größe 🐇 {"a": [1, "}:*?"]}'.ljust(100, "x")
        batch = [locked(queue, one, key), locked(f"{queue}-2", two, key), locked(queue, three, key.upper())]
        assert owners(kit.publish(broker, batch)) == [None] * 3
        assert owners(kit.publish(broker, [locked(queue, names(1)[0], key)])) == [one]

    @needs(Cap.LOCKS)
    def test_a_lock_ends_with_the_settlement_that_says_so(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        consumer = kit.consumer(broker, queue)
        for action in (Action.ACK, Action.DEAD):
            one, two = names(2)
            assert owners(kit.publish(broker, [locked(queue, one)])) == [None]
            (delivery,) = kit.take(consumer, 1)
            assert settle(consumer, [delivery], action, unlock=Lock("k", one, HOUR)) == [True]
            assert owners(kit.publish(broker, [locked(queue, two)])) == [None]
            assert settle(consumer, kit.take(consumer, 1), unlock=Lock("k", two, HOUR)) == [True]

    @needs(Cap.LOCKS)
    def test_a_lock_outlives_a_settlement_that_does_not_say_so(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        one, two = names(2)
        kit.publish(broker, [locked(queue, one)])
        consumer = kit.consumer(broker, queue)
        assert settle(consumer, kit.take(consumer, 1), Action.REQUEUE) == [True]
        assert settle(consumer, kit.take(consumer, 1)) == [True]
        assert owners(kit.publish(broker, [locked(queue, two)])) == [one]

    @needs(Cap.LOCKS | Cap.LEASE)
    def test_a_lock_is_not_ended_by_a_settlement_that_comes_too_late(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        one, two = names(2)
        kit.publish(broker, [locked(queue, one)])
        consumer = kit.consumer(broker, queue)
        (delivery,) = kit.take(consumer, 1)
        broker.release(consumer.id)
        assert settle(consumer, [delivery], unlock=Lock("k", one, HOUR)) == [False]
        assert owners(kit.publish(broker, [locked(queue, two)])) == [one]

    @needs(Cap.LOCKS)
    def test_a_lock_can_be_ended_by_its_owner_alone(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        one, two = names(2)
        kit.publish(broker, [locked(queue, one)])
        broker.unlock(queue, [Lock("k", two, HOUR), Lock("nobody's", two, HOUR)])
        assert owners(kit.publish(broker, [locked(queue, two)])) == [one]
        kit.broker().unlock(queue, [Lock("k", one, HOUR)])
        assert owners(kit.publish(broker, [locked(queue, two)])) == [None]

    @needs(Cap.LOCKS)
    def test_a_lock_ends_with_its_time(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        one, two = names(2)
        kit.publish(broker, [locked(queue, one, seconds=0.05)])
        kit.eventually(
            lambda: owners(kit.publish(broker, [locked(queue, two)])) == [None], "the lock is over"
        )
        broker.unlock(queue, [Lock("k", one, HOUR)])
        assert owners(kit.publish(broker, [locked(queue, names(1)[0])])) == [two]

    @needs(Cap.LOCKS)
    def test_a_lock_goes_on_with_its_owners_next_message(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        one, two = names(2)
        kit.publish(broker, [locked(queue, one)])
        consumer = kit.consumer(broker, queue)
        retry, stranger = locked(queue, one), locked(queue, two)
        (delivery,) = kit.take(consumer, 1)
        assert list(consumer.settle([Settlement(delivery, publish=(retry, stranger))])) == [True]
        assert ids(kit.take(consumer, 1)) == [one]
        assert kit.rest(consumer) == [], "what another's lock keeps out came with a settlement"
        assert owners(kit.publish(broker, [locked(queue, two)])) == [one]

    @needs(Cap.LOCKS)
    def test_a_lock_and_a_unique_id_go_together(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        one, two = names(2)
        first = locked(queue, one, unique=True, delay=0.01)
        assert owners(kit.publish(broker, [first])) == [None]
        assert owners(kit.publish(broker, [first, locked(queue, two, unique=True)])) == [None, one]
        consumer = kit.consumer(broker, queue)
        (delivery,) = kit.take(consumer, 1)
        assert settle(consumer, [delivery], unlock=Lock("k", one, HOUR)) == [True]
        assert owners(kit.publish(broker, [locked(queue, two, unique=True)])) == [None]
        assert owners(kit.publish(broker, [first])) == [None], "what was published before is a no-op"
        assert ids(kit.take(consumer, 1)) == [two]
        assert kit.rest(consumer) == []

    @needs(Cap.LOCKS)
    def test_a_lock_is_taken_by_one_of_many_at_once(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        candidates = names(8)
        answers: dict[str, str | None] = {}
        start = threading.Barrier(len(candidates))

        def publish(task_id: str) -> None:
            start.wait(30)
            (answers[task_id],) = owners(kit.publish(broker, [locked(queue, task_id)]))

        threads = [threading.Thread(target=publish, args=(name,)) for name in candidates]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        winners = [name for name in candidates if answers[name] is None]
        assert len(winners) == 1
        assert {answers[name] for name in candidates} == {None, winners[0]}
        assert ids(kit.take(kit.consumer(broker, queue), 1)) == winners
