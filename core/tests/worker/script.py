"""A broker that answers as a script says, and a backend that breaks as told."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from core.tests.worker.workshop import JSON, delivery
from tq.contracts.broker import Broker, Cap, Consumer
from tq.contracts.results import ResultBackend
from tq.errors import BrokerUnavailable
from tq.records import Action, Delivery, Envelope, Settlement, TaskMeta
from tq.results.memory import MemoryBackend
from tq.wire.call import TaskCall
from tq.worker.link import Stores

Line = Exception | Sequence[Delivery]


class ScriptedConsumer(Consumer):
    """Each turn takes the next line of the script: an error to raise, or what it receives."""

    def __init__(self, broker: ScriptedBroker, consumer_id: str) -> None:
        self.id = consumer_id
        self._broker = broker
        self.turns: list[Sequence[Settlement]] = []
        self.waits: list[float] = []
        self.settled: list[Settlement] = []
        self.ended = 0

    def turn(
        self, batch: Sequence[Settlement], limit: int, wait: float
    ) -> tuple[Sequence[bool], Sequence[Delivery]]:
        self.turns.append(batch)
        self.waits.append(wait)
        self._broker.now += self._broker.takes
        line = self._broker.turns.pop(0) if self._broker.turns else ()
        if isinstance(line, Exception):
            raise line
        return self.settle(batch), line

    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        return self.turn((), limit, wait)[1]

    def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
        for settlement in batch:
            if len(batch) == 1 and number_of(settlement) in self._broker.outages:
                self._broker.outages.remove(number_of(settlement))
                raise BrokerUnavailable("gone")
            error = self._broker.refused.get(number_of(settlement))
            if error is not None and settlement.action is not Action.DEAD:
                raise error
        self.settled.extend(batch)
        return [number_of(settlement) not in self._broker.late for settlement in batch]

    def interrupt(self) -> None: ...

    def close(self) -> None:
        self.ended += 1


class ScriptedBroker(Broker):
    """`turns`, `opens` and `publishes` are scripts; a line that is an error is raised."""

    api_version = 1

    def __init__(self, capabilities: Cap = Cap.LEASE | Cap.DELAY) -> None:
        super().__init__("script://user:s3cret@host/")
        self.capabilities = capabilities  # type: ignore[misc]
        self.turns: list[Line] = []
        self.opens: list[Exception | None] = []
        self.publishes: list[Exception | Sequence[Exception | None]] = []
        self.refused: dict[int, Exception] = {}
        """By number: settlements that raise, unless they bury."""
        self.outages: list[int] = []
        """Settlements that fail once for an outage, where they travel alone."""
        self.late: set[int] = set()
        self.now = 0.0
        self.takes = 0.0
        """By how many seconds a turn puts forward the clock `now`."""
        self.holds: Sequence[Delivery] | Exception = ()
        self.joined: object = None
        """The backend whose results it stores itself."""
        self.published: list[Envelope] = []
        self.consumers: list[ScriptedConsumer] = []

    def consumer(self, queues: Sequence[str], consumer_id: str, *, lease: float) -> Consumer:
        error = self.opens.pop(0) if self.opens else None
        if error is not None:
            raise error
        self.consumers.append(ScriptedConsumer(self, consumer_id))
        return self.consumers[-1]

    def held(self, consumer_id: str, receipts: Sequence[int]) -> Sequence[Delivery]:
        if isinstance(self.holds, Exception):
            raise self.holds
        return [each for each in self.holds if each.receipt in receipts]

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        answer = self.publishes.pop(0) if self.publishes else [None] * len(batch)
        if isinstance(answer, Exception):
            raise answer
        self.published.extend(e for e, error in zip(batch, answer, strict=True) if error is None)
        return answer

    def joins(self, backend: object) -> bool:
        return backend is self.joined

    def close(self) -> None: ...


class BreakingBackend(MemoryBackend):
    """Raises what `script` holds, call by call; None: it works."""

    def __init__(self) -> None:
        super().__init__(f"memory://{uuid.uuid4().hex}", serializer=JSON)
        self.script: list[Exception | None] = []
        self.calls: list[list[str]] = []

    def store(self, batch: Sequence[TaskMeta]) -> None:
        self.calls.append([meta.task_id for meta in batch])
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error
        super().store(batch)


def stores(broker: Broker, backend: ResultBackend | None = None, lease: float = 30.0) -> Stores:
    return Stores(broker, backend, ("q",), lease, lambda: uuid.uuid4().hex)


def deliveries(*numbers: int) -> list[Delivery]:
    return [delivery(TaskCall(f"t-{number}", "t", (number,))) for number in numbers]


def settled(number: int, action: Action = Action.ACK, **more: Any) -> Settlement:
    return Settlement(deliveries(number)[0], action, **more)


def number_of(settlement: Settlement) -> int:
    message: Any = settlement.delivery.message
    return int(message.headers["id"].removeprefix("t-"))


def numbers(batch: Iterable[Settlement]) -> list[int]:
    return [number_of(settlement) for settlement in batch]
