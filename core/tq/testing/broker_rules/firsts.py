"""First deliveries: they count as running until a heartbeat says what runs, so that no killer loops for ever."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from tq.contracts.broker import Broker, Cap
from tq.records import Delivery, Settlement
from tq.testing.broker_kit import BrokerKit, beat, come_back, ids, names, settle, task_id
from tq.testing.needs import needs


class Firsts:
    """Tests of what is charged after a death that came before the next heartbeat."""

    broker_class: ClassVar[type[Broker]]

    @needs(Cap.LEASE | Cap.ATTEMPTS)
    def test_the_first_of_a_batch_is_charged_although_no_heartbeat_came(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        """A message that kills its worker at once leaves no time for a heartbeat: uncharged, it kills worker
        after worker for ever."""
        sent = names(4)
        kit.send(broker, queue, *sent)
        kit.take(kit.consumer(broker, queue, lease=lease), 4)
        back = come_back(kit, broker, queue, kit.consumer(broker, queue), 4)
        assert (ids(back), _attempts(back)) == (sent, [2, 1, 1, 1])

    @needs(Cap.LEASE | Cap.ATTEMPTS | Cap.DEAD_LETTERS | Cap.STATS)
    def test_a_killer_that_leaves_no_time_for_heartbeats_is_a_dead_letter_at_last(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        sent = ["killer", *names(2)]
        kit.send(broker, queue, *sent)
        for _ in range(2):
            kit.take(kit.consumer(broker, queue, lease=lease / 2), 3)
            kit.eventually(lambda: broker.maintain([queue]) or _ready(broker, queue) == 3, "it comes back")
        kit.take(kit.consumer(broker, queue, lease=lease / 2), 3)
        dead = kit.eventually(lambda: broker.maintain([queue], max_attempts=3), "it is a dead letter")
        assert [(task_id(delivery), delivery.attempt) for delivery in dead] == [("killer", 3)]
        assert [letter.attempt for letter in broker.dead_letters(queue)] == [3]
        rest = kit.take(kit.consumer(broker, queue), 2)
        assert [(task_id(delivery), delivery.attempt) for delivery in rest] == [
            (each, 1) for each in sent[1:]
        ]

    @needs(Cap.LEASE | Cap.ATTEMPTS)
    def test_a_heartbeat_that_names_nothing_clears_the_first(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        kit.send(broker, queue, *names(2))
        consumer = kit.consumer(broker, queue)
        kit.take(consumer, 2)
        assert beat(broker, consumer, lease / 2) is True
        assert _attempts(come_back(kit, broker, queue, kit.consumer(broker, queue), 2)) == [1, 1]

    @needs(Cap.LEASE | Cap.ATTEMPTS)
    def test_a_heartbeat_that_names_another_charges_that_one_alone(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        kit.send(broker, queue, *(sent := names(3)))
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, 3)
        assert beat(broker, consumer, lease / 2, taken[2:]) is True
        back = come_back(kit, broker, queue, kit.consumer(broker, queue), 3)
        assert _by_name(back) == dict(zip(sent, [1, 1, 2], strict=True))

    @needs(Cap.LEASE | Cap.ATTEMPTS)
    def test_what_comes_after_a_heartbeat_counts_beside_what_it_named(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        kit.send(broker, queue, *(sent := names(4)))
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, 2)
        assert beat(broker, consumer, lease, taken[1:]) is True
        kit.take(consumer, 2)
        back = come_back(kit, broker, queue, kit.consumer(broker, queue), 4)
        assert _by_name(back) == dict(zip(sent, [1, 2, 2, 1], strict=True))

    @needs(Cap.LEASE | Cap.ATTEMPTS)
    def test_a_first_one_that_is_settled_leaves_nothing_to_charge(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        kit.send(broker, queue, *(sent := names(3)))
        consumer = kit.consumer(broker, queue, lease=lease)
        taken = kit.take(consumer, 3)
        assert settle(consumer, taken[:1]) == [True]
        back = come_back(kit, broker, queue, kit.consumer(broker, queue), 2)
        assert (ids(back), _attempts(back)) == (sent[1:], [1, 1])

    @needs(Cap.LEASE | Cap.ATTEMPTS)
    def test_a_turn_settles_the_first_of_one_batch_and_begins_the_next(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        kit.send(broker, queue, *(sent := names(4)))
        consumer = kit.consumer(broker, queue, lease=lease)
        done = [Settlement(delivery) for delivery in kit.take(consumer, 2)]
        settled, taken = consumer.turn(done, 2, kit.patience)
        assert (list(settled), ids(taken)) == ([True, True], sent[2:])
        back = come_back(kit, broker, queue, kit.consumer(broker, queue), 2)
        assert (ids(back), _attempts(back)) == (sent[2:], [2, 1])

    @needs(Cap.LEASE | Cap.ATTEMPTS)
    def test_the_first_of_each_batch_since_the_last_heartbeat_counts(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        kit.send(broker, queue, *(sent := names(5)))
        consumer = kit.consumer(broker, queue, lease=lease)
        for count in (1, 2, 2):
            kit.take(consumer, count)
        back = come_back(kit, broker, queue, kit.consumer(broker, queue), 5)
        assert _by_name(back) == dict(zip(sent, [2, 2, 1, 2, 1], strict=True))

    @needs(Cap.LEASE | Cap.ATTEMPTS)
    def test_a_first_one_counts_although_many_batches_come_and_go_after_it(
        self, kit: BrokerKit, broker: Broker, queue: str, lease: float
    ) -> None:
        kit.send(broker, queue, "long", *names(30))
        consumer = kit.consumer(broker, queue, lease=2 * lease)
        kit.take(consumer, 1)
        for _ in range(30):
            assert settle(consumer, kit.take(consumer, 1)) == [True]
        back = come_back(kit, broker, queue, kit.consumer(broker, queue), 1)
        assert _by_name(back) == {"long": 2}

    @needs(Cap.LEASE | Cap.ATTEMPTS)
    def test_who_releases_or_closes_knows_that_the_first_one_did_not_run(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        kit.send(broker, queue, *names(2))
        released, closed = kit.consumer(broker, queue), kit.consumer(broker, queue)
        kit.take(released, 1)
        kit.take(closed, 1)
        broker.release(released.id)
        closed.close()
        assert _attempts(kit.take(kit.consumer(broker, queue), 2)) == [1, 1]


def _attempts(deliveries: Iterable[Delivery]) -> list[int]:
    return [delivery.attempt for delivery in deliveries]


def _by_name(deliveries: Iterable[Delivery]) -> dict[str, int]:
    return {task_id(delivery): delivery.attempt for delivery in deliveries}


def _ready(broker: Broker, queue: str) -> int:
    return broker.stats(queue).ready
