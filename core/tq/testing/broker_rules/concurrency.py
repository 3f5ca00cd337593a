"""Concurrency: many threads on one broker, nothing lost and nothing doubled."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from typing import ClassVar

from tq.contracts.broker import Broker
from tq.testing.broker_kit import BrokerKit, ids, names, settle
from tq.testing.threads import at_once


class Concurrency:
    """Tests with threads; each has a consumer of its own, all share one broker."""

    broker_class: ClassVar[type[Broker]]
    many: ClassVar[int]

    def test_threads_share_a_broker_and_get_each_message_once(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        sent = names(min(600, self.many))
        seen: Counter[str] = Counter()
        left = itertools.count()
        lock, all_seen = threading.Lock(), threading.Event()

        def publish(part: list[str]) -> None:
            for start in range(0, len(part), 20):
                kit.send(broker, queue, *part[start : start + 20])

        def consume() -> None:
            consumer = kit.consumer(broker, queue)
            while not all_seen.is_set():
                taken = consumer.receive(7, 0.05)
                assert settle(consumer, taken) == [True] * len(taken)
                with lock:
                    seen.update(ids(taken))
                    if sum(seen.values()) >= len(sent):
                        all_seen.set()
                if not taken and next(left) > 100 * kit.patience:
                    return

        at_once([lambda: publish(sent[::2]), lambda: publish(sent[1::2]), *[consume] * 4])
        assert seen == Counter(sent)
        assert kit.rest(kit.consumer(broker, queue)) == []

    def test_threads_may_publish_and_maintain_while_a_receive_waits(
        self, kit: BrokerKit, broker: Broker, queue: str
    ) -> None:
        consumer = kit.consumer(broker, queue)

        def publish() -> None:
            for name in names(20):
                broker.maintain([queue])
                kit.send(broker, queue, name)

        _, taken = at_once([publish, lambda: kit.take(consumer, 20)])
        assert taken is not None and len(taken) == 20
