"""What the broker tests share: brokers and consumers that are closed at the end, and short verbs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from tq.contracts.broker import Broker, Cap, Consumer
from tq.contracts.subscription import Subscription
from tq.errors import BrokerError
from tq.records import Action, Channel, Delivery, Envelope, Heard, Heartbeat, Message, Settlement
from tq.testing.waiting import eventually, survive
from tq.wire.ids import new_id

T = TypeVar("T")


class BrokerKit:
    """The plugin under test, and how patient to be with it."""

    def __init__(
        self, broker_class: type[Broker], url: str, options: Mapping[str, Any], slow_factor: float
    ) -> None:
        self.broker_class = broker_class
        self.url = url
        self.options = options
        self.slow_factor = slow_factor
        self.patience = 15.0 * slow_factor
        """How long to wait, in seconds, for what must come."""
        self.moment = 0.1 * slow_factor
        """How long to wait, in seconds, for what must not come."""
        self._open: list[Broker | Consumer | Subscription] = []

    def broker(self, url: str | None = None) -> Broker:
        """A new connection, as another process would make it."""
        made = self.broker_class(self.url if url is None else url, dict(self.options))
        self._open.append(made)
        return made

    def consumer(
        self, broker: Broker, *queues: str, lease: float = 60.0, consumer_id: str | None = None
    ) -> Consumer:
        """A consumer with an id of its own, closed when the test ends."""
        made = broker.consumer(queues, consumer_id or f"consumer-{new_id()}", lease=lease)
        self._open.append(made)
        return made

    def listen(self, broker: Broker, channel: Channel, pattern: str = "", **how: Any) -> Subscription:
        """A subscription, closed when the test ends."""
        made = broker.subscribe(channel, pattern, **how)
        self._open.append(made)
        return made

    def hear(self, subscription: Subscription, count: int) -> list[Heard]:
        """Receive exactly `count` announcements, or fail when patience is over."""
        heard = self._all(subscription.receive, count)
        assert len(heard) == count, f"{count} announcements expected, {len(heard)} came: {heard}"
        return heard

    def close(self) -> None:
        """Close consumers, then brokers."""
        while self._open:
            self._open.pop().close()

    def publish(self, broker: Broker, batch: Sequence[Envelope]) -> Sequence[Exception | None]:
        return broker.publish(batch, timeout=30.0)

    def send(self, broker: Broker, queue: str, *ids: str, **how: Any) -> None:
        """Publish one message for each id, all of which must be accepted."""
        answer = self.publish(broker, [envelope(queue, task_id, **how) for task_id in ids])
        assert list(answer) == [None] * len(ids), f"publish refused good messages: {answer}"

    def take(self, consumer: Consumer, count: int) -> list[Delivery]:
        """Receive exactly `count` deliveries, or fail when patience is over."""
        taken = self._all(consumer.receive, count)
        assert len(taken) == count, f"{count} messages expected, {len(taken)} came: {ids(taken)}"
        return taken

    def _all(self, receive: Callable[[int, float], Sequence[T]], count: int) -> list[T]:
        """So many, or what had come when nothing else came for as long as patience lasts."""
        came = list[T]()
        until = time.monotonic() + self.patience
        while len(came) < count and (left := until - time.monotonic()) > 0:
            if some := receive(count - len(came), min(left, 1.0)):
                came += some
                until = time.monotonic() + self.patience
        return came

    def rest(self, consumer: Consumer) -> list[str]:
        """Ids of what still comes when nothing should; leave it with the consumer."""
        return ids(consumer.receive(100, self.moment))

    def eventually(self, condition: Callable[[], Any], what: str) -> Any:
        """Call `condition` until it answers something true, or fail when patience is over."""
        return eventually(condition, what, seconds=self.patience)

    def same(self, came: Iterable[str], sent: Iterable[str]) -> bool:
        """Whether these ids are those: in this order too, where the broker keeps it (`Cap.ORDER`)."""
        came, sent = list(came), list(sent)
        return came == sent if Cap.ORDER in self.broker_class.capabilities else sorted(came) == sorted(sent)

    def survive(self, call: Callable[[], Any]) -> Any:
        """Call again while the broker is away, as a worker does."""
        return survive(call, BrokerError)


def envelope(queue: str, task_id: str, *, body: bytes = b"[[],{},{}]", **how: Any) -> Envelope:
    """A small task message of protocol 2."""
    headers = {"lang": "py", "task": "conformance.task", "id": task_id}
    return Envelope(Message(headers, {"correlation_id": task_id}, body), queue, **how)


def task_id(delivery: Delivery) -> str:
    """The task id of a delivery."""
    assert isinstance(delivery.message, Message), f"undecodable delivery: {delivery.message}"
    return str(delivery.message.headers["id"])


def ids(deliveries: Iterable[Delivery]) -> list[str]:
    """The task ids, in order."""
    return [task_id(delivery) for delivery in deliveries]


def names(count: int, prefix: str = "task") -> list[str]:
    """Different task ids whose alphabetical order is their order."""
    return [f"{prefix}-{number:05}-{new_id()}" for number in range(count)]


def settle(
    consumer: Consumer, deliveries: Iterable[Delivery], action: Action = Action.ACK, **how: Any
) -> list[bool]:
    """Settle all of these in one way."""
    return list(consumer.settle([Settlement(delivery, action, **how) for delivery in deliveries]))


def beat(broker: Broker, consumer: Consumer, lease: float, running: Iterable[Delivery] = ()) -> bool:
    """One heartbeat for one consumer."""
    receipts = tuple(int(delivery.receipt) for delivery in running)
    (alive,) = broker.heartbeat([Heartbeat(consumer.id, receipts)], lease=lease)
    return alive


def come_back(kit: BrokerKit, broker: Broker, queue: str, to: Consumer, count: int) -> list[Delivery]:
    """Maintain, as a worker does, until `to` has received `count` messages that only time brings."""
    taken: list[Delivery] = []

    def all_of_them() -> bool:
        broker.maintain([queue])
        taken.extend(to.receive(count - len(taken), 0.02))
        return len(taken) == count

    kit.eventually(all_of_them, f"{count} messages come; so far {ids(taken)}")
    return taken
