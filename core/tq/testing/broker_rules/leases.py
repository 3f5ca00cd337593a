"""Leases: a consumer that lives keeps what it holds, one that died loses all of it and stays fenced."""

from __future__ import annotations

import time
from functools import partial
from typing import ClassVar

import pytest

from tq.contracts.broker import Broker, Cap
from tq.errors import LeaseLost
from tq.records import Heartbeat
from tq.testing.broker_kit import BrokerKit, beat, come_back, envelope, ids, names, settle
from tq.testing.needs import needs
from tq.testing.threads import at_once


class Leases:
    """Tests of heartbeats and of `maintain`."""

    broker_class: ClassVar[type[Broker]]

    @needs(Cap.LEASE)
    def test_receipts_are_integers_from_zero_up(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, *names(3))
        receipts = [delivery.receipt for delivery in kit.take(kit.consumer(broker, queue), 3)]
        assert all(isinstance(receipt, int) and receipt >= 0 for receipt in receipts)

    @needs(Cap.LEASE)
    def test_a_dead_consumers_messages_go_to_another(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        sent = names(3)
        kit.send(broker, queue, *sent)
        kit.take(kit.consumer(broker, queue, lease=lease), 3)
        other = kit.broker()
        assert ids(come_back(kit, other, queue, kit.consumer(other, queue), 3)) == sent

    @needs(Cap.LEASE)
    def test_a_dead_consumers_messages_go_to_the_head(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        sent = names(5)
        kit.send(broker, queue, *sent)
        dead = kit.consumer(broker, queue, lease=lease)
        kit.take(dead, 3)
        kit.eventually(
            lambda: broker.maintain([queue]) or not beat(broker, dead, 0.001), "a short lease ends"
        )
        assert ids(kit.take(kit.consumer(broker, queue), 5)) == sent

    @needs(Cap.LEASE)
    def test_a_living_consumer_keeps_its_messages_for_many_leases(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        """A timer for each message gives a task that runs for hours to a second worker while the first one
        runs it. The lease is the consumer's, and heartbeats come while it lives."""
        kit.send(broker, queue, "long", "waiting")
        consumer = kit.consumer(broker, queue, lease=lease)
        running = kit.take(consumer, 2)
        supervisor, other = kit.broker(), kit.consumer(broker, queue)
        until = time.monotonic() + 3 * lease
        while time.monotonic() < until:
            assert beat(supervisor, consumer, lease, running[:1]) is True
            assert list(supervisor.maintain([queue])) == []
            assert ids(other.receive(10, lease / 4)) == [], "a living consumer lost what it held"
        assert settle(consumer, running) == [True, True]

    @needs(Cap.LEASE)
    def test_a_heartbeat_may_lengthen_the_lease(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        kit.send(broker, queue, "held")
        consumer = kit.consumer(broker, queue, lease=lease)
        taken = kit.take(consumer, 1)
        assert beat(broker, consumer, 60.0) is True
        time.sleep(lease * 1.5)
        broker.maintain([queue])
        assert settle(consumer, taken) == [True]

    @needs(Cap.LEASE)
    def test_heartbeats_are_answered_one_by_one(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        living, dead = kit.consumer(broker, queue), kit.consumer(broker, queue)
        broker.release(dead.id)
        beats = [Heartbeat(dead.id), Heartbeat(living.id), Heartbeat(dead.id, (0,))]
        assert list(broker.heartbeat(beats, lease=60.0)) == [False, True, False]
        assert list(broker.heartbeat([], lease=60.0)) == []

    @needs(Cap.LEASE | Cap.ATTEMPTS)
    def test_only_what_a_dead_consumer_ran_is_charged(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        kit.send(broker, queue, *(sent := names(3)))
        consumer = kit.consumer(broker, queue, lease=lease)
        taken = kit.take(consumer, 3)
        assert [delivery.attempt for delivery in taken] == [1, 1, 1]
        assert beat(broker, consumer, lease, taken[1:2]) is True
        back = come_back(kit, broker, queue, kit.consumer(broker, queue), 3)
        assert {name: d.attempt for d in back for name in ids([d])} == dict(zip(sent, [1, 2, 1], strict=True))

    @needs(Cap.LEASE | Cap.ATTEMPTS)
    def test_only_the_last_heartbeat_says_what_ran(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        kit.send(broker, queue, *(sent := names(2)))
        consumer = kit.consumer(broker, queue, lease=lease)
        taken = kit.take(consumer, 2)
        assert beat(broker, consumer, lease, taken[:1]) is True
        assert beat(broker, consumer, lease, taken[1:]) is True
        back = come_back(kit, broker, queue, kit.consumer(broker, queue), 2)
        assert {name: d.attempt for d in back for name in ids([d])} == dict(zip(sent, [1, 2], strict=True))

    @needs(Cap.LEASE)
    def test_what_was_settled_since_the_last_heartbeat_does_not_come_back(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        kit.send(broker, queue, "done", "open")
        consumer = kit.consumer(broker, queue, lease=lease)
        taken = kit.take(consumer, 2)
        assert beat(broker, consumer, lease, taken) is True
        assert settle(consumer, taken[:1]) == [True]
        other = kit.consumer(broker, queue)
        assert ids(come_back(kit, broker, queue, other, 1)) == ["open"]
        broker.maintain([queue])
        assert kit.rest(other) == []

    @needs(Cap.LEASE)
    def test_a_late_ack_returns_false_and_removes_nothing(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        kit.send(broker, queue, "one")
        late, other = kit.consumer(broker, queue, lease=lease), kit.consumer(broker, queue)
        stale = kit.take(late, 1)
        fresh = come_back(kit, broker, queue, other, 1)
        assert settle(late, stale) == [False]
        assert [d.receipt for d in broker.held(other.id, [int(fresh[0].receipt)])] == [fresh[0].receipt]
        assert settle(other, fresh) == [True]

    @needs(Cap.LEASE)
    def test_a_late_ack_of_a_message_that_waits_again_leaves_it_there(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        kit.send(broker, queue, "one")
        late = kit.consumer(broker, queue)
        stale = kit.take(late, 1)
        broker.release(late.id)
        assert settle(late, stale) == [False]
        assert ids(kit.take(kit.consumer(broker, queue), 1)) == ["one"]

    @needs(Cap.LEASE)
    def test_a_late_settlement_publishes_nothing(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        """The message is with another consumer by now, which will publish what follows itself."""
        kit.send(broker, queue, "one")
        late = kit.consumer(broker, queue)
        stale = kit.take(late, 1)
        broker.release(late.id)
        assert settle(late, stale, publish=(envelope(queue, "next"),)) == [False]
        other = kit.consumer(broker, queue)
        assert ids(kit.take(other, 1)) == ["one"]
        assert kit.rest(other) == []

    @needs(Cap.LEASE)
    def test_a_fenced_consumer_cannot_receive(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        """A worker that was suspended wakes up and believes that it lives; what it takes now would be lost
        with its next heartbeat."""
        kit.send(broker, queue, "one")
        late = kit.consumer(broker, queue, lease=lease)
        kit.take(late, 1)
        come_back(kit, broker, queue, kit.consumer(broker, queue), 1)
        kit.send(broker, queue, "two")
        for _ in range(2):
            with pytest.raises(LeaseLost):
                late.receive(1, 0.0)
        assert beat(broker, late, 60.0) is False, "a heartbeat revived a fenced consumer"
        with pytest.raises(LeaseLost):
            late.receive(1, 0.0)

    @needs(Cap.LEASE | Cap.ATTEMPTS)
    def test_maintain_returns_what_used_up_its_attempts(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        kit.send(broker, queue, "killer", "innocent")
        consumer = kit.consumer(broker, queue, lease=lease)
        killer, _ = kit.take(consumer, 2)
        assert beat(broker, consumer, lease, [killer]) is True
        dead = kit.eventually(
            lambda: broker.maintain([queue], max_attempts=1), "maintain returns the dead letter"
        )
        assert [(d.queue, *ids([d])) for d in dead] == [(queue, "killer")]
        other = kit.consumer(broker, queue)
        assert ids(kit.take(other, 1)) == ["innocent"]
        assert kit.rest(other) == []

    @needs(Cap.LEASE)
    def test_many_that_maintain_at_once_give_back_each_message_once(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        sent = names(40)
        kit.send(broker, queue, *sent)
        kit.take(kit.consumer(broker, queue, lease=lease), 40)
        brokers = [kit.broker() for _ in range(4)]
        time.sleep(lease * 1.1)
        at_once([partial(maintain_often, each, queue) for each in brokers])
        other = kit.consumer(broker, queue)
        assert ids(come_back(kit, broker, queue, other, 40)) == sent
        broker.maintain([queue])
        assert kit.rest(other) == []


def maintain_often(broker: Broker, queue: str) -> None:
    """As a worker does over some seconds."""
    for _ in range(5):
        broker.maintain([queue])
