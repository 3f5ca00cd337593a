"""Receiving: up to a limit, in order, waiting for the first message only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import ClassVar

from tq.contracts.broker import Broker, Cap
from tq.records import Action, Undecodable
from tq.testing.broker_kit import BrokerKit, ids, names, settle
from tq.testing.needs import needs
from tq.testing.threads import at_once


class Receiving:
    """Tests of `Consumer.receive`."""

    broker_class: ClassVar[type[Broker]]

    def test_receive_of_an_empty_queue_returns_nothing(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        assert list(kit.consumer(broker, queue).receive(10, 0.0)) == []

    def test_receive_gives_up_when_the_wait_is_over(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        started = time.monotonic()
        assert list(kit.consumer(broker, queue).receive(10, kit.moment)) == []
        assert kit.moment * 0.5 <= time.monotonic() - started < kit.moment + 10

    def test_receive_takes_no_more_than_its_limit(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, *names(5))
        consumer = kit.consumer(broker, queue)
        assert 1 <= len(consumer.receive(2, kit.patience)) <= 2

    @needs(Cap.ORDER)
    def test_receive_hands_out_the_oldest_first(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        sent = names(12)
        for start in range(0, 12, 4):
            kit.send(broker, queue, *sent[start : start + 4])
        assert ids(kit.take(kit.consumer(broker, queue), 12)) == sent

    def test_receive_waits_for_the_first_message(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        consumer, sender = kit.consumer(broker, queue), kit.broker()
        timer = threading.Timer(kit.moment, kit.send, [sender, queue, "late"])
        timer.start()
        try:
            assert ids(kit.take(consumer, 1)) == ["late"]
        finally:
            timer.join()

    def test_receive_does_not_wait_for_a_second_message(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        """A task would wait for whatever is sent next, on a quiet queue for ever."""
        kit.send(broker, queue, "only")
        started = time.monotonic()
        assert ids(kit.consumer(broker, queue).receive(10, 30.0)) == ["only"]
        assert time.monotonic() - started < 15

    def test_receive_reads_all_of_its_queues_and_no_other(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        first, second, other = (f"{queue}-{number}" for number in range(3))
        for name in (first, second, other):
            kit.send(broker, name, f"in {name}")
        consumer = kit.consumer(broker, first, second)
        assert sorted((d.queue, *ids([d])) for d in kit.take(consumer, 2)) == [
            (first, f"in {first}"),
            (second, f"in {second}"),
        ]
        assert kit.rest(consumer) == []

    @needs(Cap.ORDER)
    def test_receive_empties_the_first_queue_first(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, f"{queue}-b", "b1", "b2")
        kit.send(broker, f"{queue}-a", "a1", "a2")
        consumer = kit.consumer(broker, f"{queue}-a", f"{queue}-b")
        assert ids(kit.take(consumer, 4)) == ["a1", "a2", "b1", "b2"]

    def test_receive_gives_no_message_to_two_consumers(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        sent = names(20)
        kit.send(broker, queue, *sent)
        one, two = kit.consumer(broker, queue), kit.consumer(kit.broker(), queue)
        taken = kit.take(one, 10) + kit.take(two, 10)
        assert sorted(ids(taken)) == sent
        assert kit.rest(one) + kit.rest(two) == []

    def test_receive_gives_receipts_that_differ(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        consumer = kit.consumer(broker, queue)
        kit.send(broker, queue, *names(10))
        receipts = [delivery.receipt for delivery in kit.take(consumer, 10)]
        kit.send(broker, queue, *names(5))
        receipts += [delivery.receipt for delivery in kit.take(consumer, 5)]
        assert len(set(receipts)) == 15

    def test_a_consumer_may_be_handed_to_another_thread(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        kit.send(broker, queue, "one", "two")
        consumer = kit.consumer(broker, queue)
        first = kit.take(consumer, 1)
        (second,) = at_once([partial(kit.take, consumer, 1)])
        (answers,) = at_once([partial(settle, consumer, first)])
        assert sorted(ids([*first, *second])) == ["one", "two"]
        assert (answers, settle(consumer, second)) == ([True], [True])

    def test_receive_says_how_big_a_message_is(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        kit.send(broker, queue, "big", body=b"x" * 10_000)
        (delivery,) = kit.take(kit.consumer(broker, queue), 1)
        assert delivery.size == 0 or delivery.size >= 10_000

    def test_receive_hands_out_undecodable_bytes_between_good_messages(
        self, kit: BrokerKit, broker: Broker, queue: str, put_raw: Callable[[str, bytes], None]
    ) -> None:
        """Any program may write into a queue. Bytes that raise out of `receive` stop all that lies behind
        them."""
        garbage = [b"garbage", b"{}", b"\x00\xff\xfe", b'{"body": 7}']
        kit.send(broker, queue, "before")
        for raw in garbage:
            put_raw(queue, raw)
        kit.send(broker, queue, "after")
        consumer = kit.consumer(broker, queue)
        taken = kit.take(consumer, 6)
        bad = [d for d in taken if isinstance(d.message, Undecodable)]
        assert sorted(d.message.raw for d in bad if isinstance(d.message, Undecodable)) == sorted(garbage)
        assert all(d.message.reason for d in bad if isinstance(d.message, Undecodable))
        assert sorted(ids(d for d in taken if d not in bad)) == ["after", "before"]
        assert settle(consumer, bad, Action.DEAD, reason="undecodable") == [True] * 4
