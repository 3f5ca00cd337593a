"""A broker without any capability passes the suite, in well under 80 lines."""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import ClassVar

import pytest

from tq.contracts import Broker, Consumer
from tq.errors import EncodeError
from tq.records import Action, Delivery, Envelope, Settlement
from tq.testing import BrokerConformance
from tq.wire.envelope import pack, unpack


class ListConsumer(Consumer):
    def __init__(self, broker: "ListBroker", queues: Sequence[str], consumer_id: str) -> None:
        self.id, self.broker, self.queues = consumer_id, broker, queues
        self.held: dict[int, tuple[str, bytes]] = {}
        self.given = 0
        self.interrupted = queue.SimpleQueue[None]()

    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        until = time.monotonic() + wait
        while not (taken := self.take(limit)) and (left := until - time.monotonic()) > 0:
            try:
                self.interrupted.get(timeout=min(left, 0.01))
            except queue.Empty:
                continue
            return ()
        return taken

    def take(self, limit: int) -> list[Delivery]:
        taken: list[Delivery] = []
        with self.broker.lock:
            for name in self.queues:
                waiting = self.broker.lists[name]
                while waiting and len(taken) < limit:
                    self.held[self.given] = name, waiting.pop(0)
                    taken.append(Delivery(unpack(self.held[self.given][1]), name, self.given))
                    self.given += 1
        return taken

    def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
        with self.broker.lock:
            return [self.settle_one(settlement) for settlement in batch]

    def settle_one(self, settlement: Settlement) -> bool:
        found = self.held.pop(int(settlement.delivery.receipt), None)
        if found is None:
            return False
        self.broker.publish(settlement.publish, timeout=1.0)
        if settlement.action is Action.REQUEUE:
            self.broker.lists[found[0]].insert(0, found[1])
        return True

    def interrupt(self) -> None:
        self.interrupted.put(None)

    def close(self) -> None:
        with self.broker.lock:
            for name, raw in reversed(self.held.values()):
                self.broker.lists[name].insert(0, raw)
            self.held.clear()


class ListBroker(Broker):
    api_version: ClassVar[int] = 1
    lists: ClassVar[defaultdict[str, list[bytes]]] = defaultdict(list)
    lock: ClassVar[threading.RLock] = threading.RLock()

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        return [self.publish_one(envelope) for envelope in batch]

    def publish_one(self, envelope: Envelope) -> Exception | None:
        try:
            self.lists[envelope.queue].append(pack(envelope))
        except EncodeError as exc:
            return exc
        return None

    def consumer(self, queues: Sequence[str], consumer_id: str, *, lease: float) -> Consumer:
        return ListConsumer(self, queues, consumer_id)

    def close(self) -> None:
        """There is no connection to close."""


class TestListBroker(BrokerConformance):
    broker_class = ListBroker

    @pytest.fixture
    def broker_url(self) -> Iterator[str]:
        yield "list://"
        ListBroker.lists.clear()
