"""Interruption: a receive that waits can be ended from elsewhere, and nothing is lost by it."""

from __future__ import annotations

import threading
import time
from typing import ClassVar

from tq.contracts.broker import Broker
from tq.testing.broker_kit import BrokerKit, ids, names, settle
from tq.testing.threads import at_once


class Interruption:
    """Tests of `Consumer.interrupt`."""

    broker_class: ClassVar[type[Broker]]

    def test_interrupt_ends_a_receive_that_waits(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        consumer = kit.consumer(broker, queue)
        timer = threading.Timer(kit.moment, consumer.interrupt)
        timer.start()
        started = time.monotonic()
        assert list(consumer.receive(1, kit.patience * 3)) == []
        assert time.monotonic() - started < kit.patience * 2
        timer.join()

    def test_interrupt_just_before_receive_ends_it_at_once(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        """A signal comes whenever it likes. One that is lost between deciding to receive and waiting holds up
        the stop of a worker for the whole wait."""
        consumer = kit.consumer(broker, queue)
        consumer.receive(1, 0.0)
        consumer.interrupt()
        started = time.monotonic()
        assert list(consumer.receive(1, kit.patience * 3)) == []
        assert time.monotonic() - started < kit.patience * 2

    def test_interrupt_before_the_first_receive_ends_it_at_once(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        consumer = kit.consumer(broker, queue)
        consumer.interrupt()
        started = time.monotonic()
        assert list(consumer.receive(1, kit.patience * 3)) == []
        assert time.monotonic() - started < kit.patience * 2

    def test_after_an_interrupt_the_consumer_goes_on(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        consumer = kit.consumer(broker, queue)
        for _ in range(3):
            consumer.interrupt()
        consumer.receive(1, 0.0)
        kit.send(broker, queue, "after")
        taken = kit.take(consumer, 1)
        assert ids(taken) == ["after"]
        consumer.interrupt()
        assert settle(consumer, taken) == [True]

    def test_interrupts_lose_no_message(self, kit: BrokerKit, broker: Broker, queue: str) -> None:
        sent = names(100)
        consumer, seen, done = kit.consumer(broker, queue), list[str](), threading.Event()

        def read() -> None:
            until = time.monotonic() + kit.patience
            while len(seen) < len(sent) and time.monotonic() < until:
                taken = consumer.receive(3, 1.0)
                seen.extend(ids(taken))
                settle(consumer, taken)
            done.set()

        def interrupt() -> None:
            while not done.wait(0.005):
                consumer.interrupt()

        def publish() -> None:
            for start in range(0, len(sent), 5):
                kit.send(broker, queue, *sent[start : start + 5])

        at_once([read, interrupt, publish])
        assert kit.same(seen, sent)
