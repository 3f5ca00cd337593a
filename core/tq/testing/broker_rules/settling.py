"""Settling: each delivery on its own, in any order, with no second effect."""

from __future__ import annotations

from typing import ClassVar

from tq.contracts.broker import Broker, Cap
from tq.errors import PublishError, SerializationError
from tq.records import Action, Envelope, Message, Settlement
from tq.testing.broker_kit import BrokerKit, envelope, ids, names, settle
from tq.testing.needs import needs


class Settling:
    """Tests of `Consumer.settle`, `turn` and `close`."""

    broker_class: ClassVar[type[Broker]]

    def test_settle_of_nothing_answers_nothing(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        assert list(kit.consumer(broker, queue).settle([])) == []

    def test_ack_removes_the_message_for_good(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        consumer = kit.consumer(broker, queue)
        kit.send(broker, queue, "done")
        assert settle(consumer, kit.take(consumer, 1)) == [True]
        consumer.close()
        assert kit.rest(kit.consumer(broker, queue)) == []

    def test_ack_of_one_message_keeps_the_others(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        sent = names(5)
        kit.send(broker, queue, *sent)
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, 5)
        assert settle(consumer, [taken[2]]) == [True]
        consumer.close()
        back = ids(kit.take(kit.consumer(broker, queue), 4))
        assert kit.same(back, [*ids(taken[:2]), *ids(taken[3:])])

    def test_settle_takes_any_order(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, *names(6))
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, 6)
        assert settle(consumer, [taken[5], taken[0], taken[3]]) == [True] * 3
        assert settle(consumer, [taken[1], taken[4], taken[2]]) == [True] * 3
        consumer.close()
        assert kit.rest(kit.consumer(broker, queue)) == []

    def test_settle_keeps_two_consumers_apart(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "first", "second")
        one, two = kit.consumer(broker, queue), kit.consumer(broker, queue)
        for_one, for_two = kit.take(one, 1), kit.take(two, 1)
        assert settle(one, for_one) == [True]
        two.close()
        assert ids(kit.take(kit.consumer(broker, queue), 1)) == ids(for_two)

    def test_settling_twice_has_no_second_effect(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        """A worker whose connection broke settles the same batch again, for it cannot know what had arrived."""
        kit.send(broker, queue, "back", "other")
        consumer = kit.consumer(broker, queue)
        back, _ = kit.take(consumer, 2)
        assert settle(consumer, [back], Action.REQUEUE) == [True]
        settle(consumer, [back], Action.REQUEUE)
        settle(consumer, [back])
        assert ids(kit.take(consumer, 1)) == ids([back])
        assert kit.rest(consumer) == []
        consumer.close()
        assert sorted(ids(kit.take(kit.consumer(broker, queue), 2))) == ["back", "other"]

    @needs(Cap.ORDER)
    def test_requeue_puts_the_message_at_the_head(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        sent = names(3)
        kit.send(broker, queue, *sent)
        consumer = kit.consumer(broker, queue)
        assert settle(consumer, kit.take(consumer, 1), Action.REQUEUE) == [True]
        assert ids(kit.take(consumer, 3)) == sent

    def test_requeue_is_not_charged_as_an_attempt(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        """A worker that is stopped gives back what it has not begun. If that counted, some deployments would
        make dead letters of messages that nobody ever ran."""
        kit.send(broker, queue, "back")
        consumer = kit.consumer(broker, queue)
        for _ in range(4):
            (delivery,) = kit.take(consumer, 1)
            assert delivery.attempt <= 1
            assert settle(consumer, [delivery], Action.REQUEUE) == [True]

    def test_dead_takes_the_message_out_of_its_queue(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        kit.send(broker, queue, "hopeless")
        consumer = kit.consumer(broker, queue)
        assert settle(consumer, kit.take(consumer, 1), Action.DEAD, reason="no such task") == [True]
        consumer.close()
        assert kit.rest(kit.consumer(broker, queue)) == []

    def test_settle_takes_all_actions_in_one_batch(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "ack", "requeue", "dead")
        consumer = kit.consumer(broker, queue)
        taken = {task: delivery for delivery in kit.take(consumer, 3) for task in ids([delivery])}
        batch = [Settlement(taken[action.value], action, reason="why") for action in Action]
        assert list(consumer.settle(batch)) == [True] * 3
        assert ids(kit.take(consumer, 1)) == ["requeue"]
        assert kit.rest(consumer) == []

    def test_settle_publishes_what_follows(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        follow_ups = (envelope(queue, "next"), envelope(f"{queue}-other", "elsewhere"))
        kit.send(broker, queue, "first")
        consumer = kit.consumer(broker, queue)
        assert settle(consumer, kit.take(consumer, 1), publish=follow_ups) == [True]
        assert ids(kit.take(consumer, 1)) == ["next"]
        assert ids(kit.take(kit.consumer(broker, f"{queue}-other"), 1)) == ["elsewhere"]
        assert kit.rest(consumer) == []

    @needs(Cap.ATOMIC_PUBLISH)
    def test_settling_twice_publishes_once(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        """Otherwise each broken connection runs a retry, or the next task of a chain, twice."""
        kit.send(broker, queue, "first")
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, 1)
        for _ in range(2):
            settle(consumer, taken, publish=(envelope(queue, "next"),))
        assert ids(kit.take(consumer, 1)) == ["next"]
        assert kit.rest(consumer) == []

    def test_a_follow_up_that_cannot_be_written_leaves_its_task_there(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        """An acknowledgement without what should follow ends a chain in its middle, and nobody hears of it."""
        kit.send(broker, queue, "first")
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, 1)
        bad = Envelope(Message({"id": "bad", "task": "t", "what": object()}, {}, b"[]"), f"{queue}-next")
        try:
            settle(consumer, taken, publish=(bad,))
        except (PublishError, SerializationError):
            consumer.close()
            assert ids(kit.take(kit.consumer(broker, queue), 1)) == ["first"]
        else:
            dead = Cap.DEAD_LETTERS in broker.capabilities
            assert not dead or len(broker.dead_letters(queue)) == 1, "it is neither there nor a dead letter"

    @needs(Cap.UNIQUE)
    def test_a_unique_follow_up_that_was_published_before_is_a_no_op(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        """A task that runs twice would double all that comes after it."""
        (name,) = names(1)
        sender, receiver = kit.consumer(broker, queue), kit.consumer(broker, f"{queue}-next")
        for _ in range(2):
            kit.send(broker, queue, "the same")
            batch = (envelope(f"{queue}-next", name, unique=True),)
            assert settle(sender, kit.take(sender, 1), publish=batch) == [True]
        assert ids(kit.take(receiver, 1)) == [name]
        assert kit.rest(receiver) == []

    def test_turn_settles_and_receives(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "first")
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, 1)
        kit.send(broker, queue, "second", "third")
        answers, deliveries = consumer.turn([Settlement(taken[0])], 1, kit.patience)
        assert list(answers) == [True]
        assert len(deliveries) == 1
        consumer.close()
        back = ids(kit.take(kit.consumer(broker, queue), 2))
        assert kit.same(back, ["second", "third"])
        assert set(ids(deliveries)) <= set(back)

    def test_turn_without_a_limit_only_settles(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "first", "second")
        consumer = kit.consumer(broker, queue)
        (first,) = kit.take(consumer, 1)
        answers, deliveries = consumer.turn([Settlement(first)], 0, kit.patience)
        assert (list(answers), list(deliveries)) == ([True], [])

    def test_turn_without_settlements_only_receives(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "first")
        answers, deliveries = kit.consumer(broker, queue).turn([], 5, kit.patience)
        assert (list(answers), ids(deliveries)) == ([], ["first"])

    def test_closing_a_consumer_gives_back_what_it_held(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        sent = names(4)
        kit.send(broker, queue, *sent)
        consumer = kit.consumer(broker, queue)
        (done, *_) = kit.take(consumer, 3)
        settle(consumer, [done])
        consumer.close()
        back = kit.take(kit.consumer(broker, queue), 3)
        assert kit.same(ids(back), [name for name in sent if name not in ids([done])])
        assert all(delivery.attempt <= 1 for delivery in back), "closing must not charge an attempt"
