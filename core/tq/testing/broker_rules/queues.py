"""Queues: what lies in them, and emptying them."""

from __future__ import annotations

from typing import ClassVar

import pytest

from tq.contracts.broker import Broker, Cap
from tq.records import Action
from tq.testing.broker_kit import BrokerKit, ids, names, settle
from tq.testing.needs import needs


class Queues:
    """Tests of `stats` and `purge`."""

    broker_class: ClassVar[type[Broker]]

    @needs(Cap.STATS)
    def test_stats_of_an_unknown_queue_are_of_an_empty_one(self, broker: Broker, queue: str) -> None:
        stats = broker.stats(queue)
        assert (stats.name, stats.ready) == (queue, 0)
        assert {stats.delayed, stats.in_flight, stats.dead} <= {0, None}

    @needs(Cap.STATS)
    def test_stats_count_what_waits_and_what_is_held(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        kit.send(broker, queue, *names(5))
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, 2)
        stats = kit.broker().stats(queue)
        assert (stats.ready, stats.in_flight in (2, None), stats.consumers in (1, None)) == (3, True, True)
        settle(consumer, taken[:1])
        settle(consumer, taken[1:], Action.REQUEUE)
        stats = broker.stats(queue)
        assert (stats.ready, stats.in_flight in (0, None)) == (4, True)

    @needs(Cap.STATS)
    def test_stats_do_not_mix_queues(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "one")
        kit.send(broker, f"{queue}-other", "two", "three")
        assert (broker.stats(queue).ready, broker.stats(f"{queue}-other").ready) == (1, 2)

    @needs(Cap.STATS)
    def test_stats_say_how_old_the_oldest_message_is(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        kit.send(broker, queue, "one")
        age = broker.stats(queue).oldest_age
        assert age is None or -5 <= age < 60

    @needs(Cap.STATS | Cap.DELAY)
    def test_stats_count_what_is_delayed(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "one", "two", delay=60.0)
        stats = broker.stats(queue)
        assert (stats.ready, stats.delayed in (2, None)) == (0, True)

    @needs(Cap.STATS | Cap.DEAD_LETTERS)
    def test_stats_count_the_dead(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "one", "two")
        consumer = kit.consumer(broker, queue)
        settle(consumer, kit.take(consumer, 2)[:1], Action.DEAD, reason="why")
        stats = broker.stats(queue)
        assert (stats.ready, stats.dead in (1, None)) == (0, True)

    @needs(Cap.PURGE)
    def test_purge_removes_what_waits_and_says_how_many(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        kit.send(broker, queue, *names(5))
        kit.send(broker, f"{queue}-other", "stays")
        assert broker.purge(queue) == 5
        assert broker.purge(queue) == 0
        assert kit.rest(kit.consumer(broker, queue)) == []
        assert ids(kit.take(kit.consumer(broker, f"{queue}-other"), 1)) == ["stays"]

    @needs(Cap.PURGE)
    def test_purge_keeps_what_is_lent(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "lent")
        consumer = kit.consumer(broker, queue)
        (lent,) = kit.take(consumer, 1)
        kit.send(broker, queue, "waits")
        assert broker.purge(queue) == 1
        assert settle(consumer, [lent], Action.REQUEUE) == [True]
        assert ids(kit.take(consumer, 1)) == ["lent"]

    @needs(Cap.PURGE | Cap.DELAY)
    def test_purge_removes_what_is_delayed(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "later", delay=0.2)
        kit.send(broker, queue, "now")
        if Cap.STATS in broker.capabilities and broker.stats(queue).delayed is None:
            pytest.skip(
                f"the store behind {self.broker_class.__name__} cannot tell whose a delayed message is"
            )
        assert broker.purge(queue) == 2
        assert kit.rest(kit.consumer(broker, queue)) == []

    @needs(Cap.PURGE | Cap.PRIORITY)
    def test_purge_removes_every_priority(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        for priority in (None, 0, 3, 9):
            kit.send(broker, queue, f"p{priority}", priority=priority)
        assert broker.purge(queue) == 4
        assert kit.rest(kit.consumer(broker, queue)) == []
