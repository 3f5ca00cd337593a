"""Releases: what is known to be dead gives back at once, from any process that knows its id."""

from __future__ import annotations

import threading
from functools import partial
from typing import ClassVar

from tq.contracts.broker import Broker, Cap, Consumer
from tq.records import Action, Delivery
from tq.testing.broker_kit import BrokerKit, ids, names, settle
from tq.testing.needs import needs
from tq.testing.threads import at_once


class Releases:
    """Tests of `Broker.release` and `Broker.held`."""

    broker_class: ClassVar[type[Broker]]

    @needs(Cap.LEASE)
    def test_release_gives_back_at_once_in_the_old_order(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        sent = names(5)
        kit.send(broker, queue, *sent)
        dead = kit.consumer(broker, queue)
        kit.take(dead, 3)
        assert list(kit.broker().release(dead.id)) == []
        back = kit.take(kit.consumer(broker, queue), 5)
        assert ids(back) == sent
        assert all(delivery.attempt <= 1 for delivery in back), "what did not run must not be charged"

    @needs(Cap.LEASE)
    def test_release_of_an_unknown_consumer_changes_nothing(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        kit.send(broker, queue, "held")
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, 1)
        assert list(broker.release(f"nobody-{queue}", running=[0, 7])) == []
        assert settle(consumer, taken) == [True]

    @needs(Cap.LEASE)
    def test_release_twice_gives_back_once(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "one")
        dead, other = kit.consumer(broker, queue), kit.consumer(broker, queue)
        receipt = int(kit.take(dead, 1)[0].receipt)
        broker.release(dead.id, running=[receipt])
        broker.release(dead.id, running=[receipt])
        assert ids(kit.take(other, 1)) == ["one"]
        assert kit.rest(other) == []

    @needs(Cap.LEASE)
    def test_release_does_not_touch_what_was_settled(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        kit.send(broker, queue, "done", "open")
        dead = kit.consumer(broker, queue)
        taken = kit.take(dead, 2)
        settle(dead, taken[:1])
        broker.release(dead.id, running=[int(d.receipt) for d in taken])
        other = kit.consumer(broker, queue)
        assert ids(kit.take(other, 1)) == ["open"]
        assert kit.rest(other) == []

    @needs(Cap.LEASE)
    def test_many_that_release_at_once_give_back_each_message_once(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        sent = names(50)
        kit.send(broker, queue, *sent)
        dead = kit.consumer(broker, queue)
        kit.take(dead, 50)
        at_once([partial(kit.broker().release, dead.id) for _ in range(4)])
        other = kit.consumer(broker, queue)
        assert ids(kit.take(other, 50)) == sent
        assert kit.rest(other) == []

    @needs(Cap.LEASE)
    def test_release_while_it_settles_gives_back_exactly_what_was_refused(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        sent = names(300)
        kit.send(broker, queue, *sent)
        doomed = kit.consumer(broker, queue)
        held = kit.take(doomed, 300)
        accepted: list[str] = []
        under_way = threading.Event()

        def settle_all() -> None:
            for start in range(0, 300, 3):
                batch = held[start : start + 3]
                answers = settle(doomed, batch)
                accepted.extend(name for name, yes in zip(ids(batch), answers, strict=True) if yes)
                if start == 99:
                    under_way.set()

        def release() -> None:
            under_way.wait(60)
            kit.broker().release(doomed.id)

        at_once([settle_all, release])
        back = ids(kit.take(kit.consumer(broker, queue), 300 - len(accepted)))
        assert sorted(accepted + back) == sent, "a message was both accepted and given back, or neither"

    @needs(Cap.LEASE | Cap.ATTEMPTS)
    def test_release_charges_what_ran_until_its_attempts_are_used_up(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        kit.send(broker, queue, "killer")
        for attempt in (1, 2, 3):
            consumer = kit.consumer(broker, queue)
            taken = kit.take(consumer, 1)
            assert taken[0].attempt == attempt
            dead = release(broker, consumer, taken, max_attempts=3, reason="killed by signal 9")
            assert ids(dead) == (["killer"] if attempt == 3 else [])
        assert kit.rest(kit.consumer(broker, queue)) == []

    @needs(Cap.LEASE | Cap.ATTEMPTS | Cap.DEAD_LETTERS)
    def test_release_leaves_a_dead_letter_with_its_reason(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        kit.send(broker, queue, "killer")
        consumer = kit.consumer(broker, queue)
        release(broker, consumer, kit.take(consumer, 1), max_attempts=1, reason="killed by signal 9")
        (letter,) = broker.dead_letters(queue)
        assert (letter.queue, letter.reason, letter.attempt) == (queue, "killed by signal 9", 1)

    @needs(Cap.LEASE)
    def test_release_with_ack_removes_only_what_ran(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "ran", "waited")
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, 2)
        assert release(broker, consumer, taken[:1], action=Action.ACK) == []
        other = kit.consumer(broker, queue)
        assert ids(kit.take(other, 1)) == ["waited"]
        assert kit.rest(other) == []

    @needs(Cap.LEASE)
    def test_release_with_dead_buries_only_what_ran(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "ran", "waited")
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, 2)
        assert ids(release(broker, consumer, taken[:1], action=Action.DEAD, reason="why")) == ["ran"]
        other = kit.consumer(broker, queue)
        assert ids(kit.take(other, 1)) == ["waited"]
        assert kit.rest(other) == []

    @needs(Cap.LEASE)
    def test_held_returns_what_the_consumer_still_holds(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        kit.send(broker, queue, *names(3))
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, 3)
        settle(consumer, taken[:1])
        receipts = [int(delivery.receipt) for delivery in taken]
        held = kit.broker().held(consumer.id, [*receipts[:2], 10**6])
        assert [(*ids([d]), d.receipt, d.queue) for d in held] == [(*ids(taken[1:2]), receipts[1], queue)]

    @needs(Cap.LEASE)
    def test_held_of_a_dead_consumer_is_nothing(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "one")
        consumer = kit.consumer(broker, queue)
        receipt = int(kit.take(consumer, 1)[0].receipt)
        broker.release(consumer.id)
        assert list(broker.held(consumer.id, [receipt])) == []

    @needs(Cap.LEASE)
    def test_a_closed_consumer_is_fenced(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "one")
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, 1)
        consumer.close()
        assert list(broker.held(consumer.id, [int(taken[0].receipt)])) == []
        assert ids(kit.take(kit.consumer(broker, queue), 1)) == ["one"]


def release(broker: Broker, consumer: Consumer, running: list[Delivery], **how: object) -> list[Delivery]:
    """Release a consumer that was running these."""
    receipts = [int(delivery.receipt) for delivery in running]
    return list(broker.release(consumer.id, running=receipts, **how))  # type: ignore[arg-type]
