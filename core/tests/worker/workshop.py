"""What the tests of the worker share: plans without an app, a store, a broker that breaks, and engines in threads."""

from __future__ import annotations

import itertools
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tq.brokers.memory import MemoryBroker, MemoryConsumer
from tq.contracts.pool import Engine, Job, Seat, StopMode
from tq.errors import BrokerUnavailable, EncodeError
from tq.records import Delivery, Envelope, Message, Settlement, TaskMeta
from tq.results.memory import MemoryBackend
from tq.testing.waiting import eventually
from tq.wire.call import TaskCall
from tq.wire.json import JsonSerializer
from tq.wire.protocol import write_task
from tq.worker.engine import InlineEngine
from tq.worker.execute import Executor
from tq.worker.link import Stores
from tq.worker.plan import TaskPlan
from tq.worker.run import Observers
from tq.worker.seat import LocalSeat
from tq.worker.slots import SlotsEngine

JSON = JsonSerializer()
READERS = {JSON.content_type: JSON}
WAIT = 20.0
"""Longest time that a test waits for what comes within milliseconds."""


def freeze(value: Any) -> Any:
    """What the app's executor does to results."""
    return JSON.loads(JSON.dumps(value))


def plan(body: Callable[..., Any], name: str = "t", **more: Any) -> TaskPlan:
    return TaskPlan(name=name, body=body, task=None, **more)


def executor(*plans: TaskPlan, **more: Any) -> Executor:
    given: dict[str, Any] = {"freeze": freeze, "observers": Observers(), **more}
    return Executor({each.name: each for each in plans}, READERS, 10**6, hostname="w@test", **given)


def message(call: TaskCall) -> Message:
    return write_task(call, JSON)


def delivery(call: TaskCall, **more: Any) -> Delivery:
    return Delivery(message(call), "q", 1, **more)


class FlakyConsumer(MemoryConsumer):
    """Breaks at random, before or after a batch of settlements took effect."""

    dice: random.Random
    odds = 0.0

    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        self._maybe_break()
        return super().receive(limit, min(wait, 0.02))

    def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
        self._maybe_break()
        settled = super().settle(batch)
        self._maybe_break()
        return settled

    def _maybe_break(self) -> None:
        if self.dice.random() < self.odds:
            raise BrokerUnavailable("the line is cut")


class FlakyBroker(MemoryBroker):
    """A memory broker whose line is cut now and then."""


def flaky(url: str, odds: float, seed: int) -> FlakyBroker:
    consumer = type("Flaky", (FlakyConsumer,), {"dice": random.Random(seed), "odds": odds})
    broker: FlakyBroker = type("FlakyBroker", (FlakyBroker,), {"consumer_class": consumer})(url)
    return broker


@dataclass
class Shop:
    """One store with its queue `q`, and what ran."""

    url: str = field(default_factory=lambda: f"memory://{uuid.uuid4().hex}")
    lease: float = 30.0
    broker: MemoryBroker = None  # type: ignore[assignment]
    ran: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.broker = self.broker or MemoryBroker(self.url)
        self.backend = MemoryBackend(self.url, serializer=JSON)
        numbers = itertools.count()
        self.ids: list[str] = []

        def new_id() -> str:
            self.ids.append(f"c{next(numbers)}-{uuid.uuid4().hex}")
            return self.ids[-1]

        self.stores = Stores(self.broker, self.backend, ("q",), self.lease, new_id)

    def send(self, count: int, task: str = "t", **more: Any) -> list[str]:
        """Publish calls with their number as argument; returns their ids."""
        calls = [TaskCall(f"{task}-{n}", task, (n,), **more) for n in range(count)]
        assert not any(self.broker.publish([Envelope(message(call), "q") for call in calls], timeout=1))
        return [call.id for call in calls]

    def results(self, ids: Sequence[str]) -> Mapping[str, TaskMeta]:
        return self.backend.get(ids)

    def done(self, ids: Sequence[str]) -> bool:
        ready = {"SUCCESS", "FAILURE", "REVOKED"}
        found = self.results(ids)
        return len(found) == len(ids) and all(meta.status in ready for meta in found.values())

    def is_empty(self) -> bool:
        stats = self.broker.stats("q")
        return not (stats.ready or stats.delayed or stats.in_flight)

    def waiting(self) -> list[int]:
        """The numbers of the messages that wait, in order; takes them."""
        consumer = self.broker.consumer(("q",), uuid.uuid4().hex, lease=30)
        found = MemoryConsumer.receive(consumer, 10**6, 0)  # type: ignore[arg-type]
        return [JSON.loads(each.message.body)[0][0] for each in found if isinstance(each.message, Message)]

    def inline(self, work: Executor, **more: Any) -> tuple[InlineEngine, LocalSeat]:
        seat = LocalSeat()
        return InlineEngine(self.stores, work, seat, **more), seat

    def slots(self, work: Executor, count: int, **more: Any) -> tuple[SlotsEngine, list[LocalSeat]]:
        seats = [LocalSeat() for _ in range(count)]
        return SlotsEngine(self.stores, work, seats, _in_a_thread, **more), seats


def _in_a_thread(job: Job, seat: Seat) -> None:
    threading.Thread(target=job.run, name="tq-test-body", daemon=True).start()


@contextmanager
def running(engine: Engine, mode: StopMode = StopMode.WARM) -> Iterator[threading.Thread]:
    """Run an engine while the block runs; then stop it, and see that it ended."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            engine.run()
        except BaseException as exc:  # noqa: BLE001 - the test shall fail by it
            errors.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        engine.stop(mode)
        thread.join(WAIT)
    assert not thread.is_alive()
    assert errors == []


def until(condition: Callable[[], Any], what: str = "it") -> None:
    """Wait for a condition."""
    eventually(condition, what, every=0.002)


def unwritable(*_: Any) -> Any:
    raise EncodeError("no form")
