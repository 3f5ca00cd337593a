"""What is to be published: where it goes by AMQP's rules, and which queue has to be there for it."""

from __future__ import annotations

from dataclasses import dataclass

from tq.errors import EncodeError, PublishError
from tq.records import Channel, DeadLetter, Delivery, Envelope, Message
from tq.wire.envelope import PARKED
from tq.wire.ids import new_id
from tq_amqp import messages
from tq_amqp.ladder import Ladder
from tq_amqp.options import BrokerOptions
from tq_amqp.topology import Declarer, Topology


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message, ready to be sent. `delayed`: it goes through the ladder first. `plain`: into a queue for dead
    letters. `reply`: to a queue that its reader makes, and no harm is done where it is gone."""

    exchange: str
    key: str
    properties: bytes
    body: bytes
    queue: str
    delayed: bool = False
    plain: bool = False
    reply: bool = False
    place: Channel | None = None
    """Of an announcement, which nobody need hear."""
    asks: bool = False
    """An announcement that is there to find out whether anybody hears it."""

    @property
    def mandatory(self) -> bool:
        """Whether it is an error where no queue takes it."""
        return self.asks or not (self.reply or self.place)


class Office:
    """Prepares messages for the way, and the way for messages."""

    def __init__(self, options: BrokerOptions, topology: Topology) -> None:
        self._topology = topology
        self._largest = options.max_message_size
        self._suffix = options.dead_suffix
        self._ladder = Ladder(options)

    def dead_queue(self, queue: str) -> str:
        """Where the dead letters of a queue lie."""
        return queue + self._suffix

    def send(self, envelope: Envelope) -> list[Outgoing]:
        """An envelope; with a delay for a topic exchange it may become one message for each queue.

        Raises `EncodeError`, `PublishError`.
        """
        message, queue = envelope.message, envelope.queue
        self._check_size(message)
        targets = self._targets(envelope)
        if envelope.delay <= 0:
            properties = messages.write(message, priority=envelope.priority)
            return [Outgoing(exchange, key, properties, message.body, queue) for exchange, key in targets]
        if targets == [("", queue)]:
            return [self._later(message, queue, envelope.delay, envelope.priority)]
        names = self._bound(targets[0])
        if not names:
            raise PublishError(
                f"task {message.headers.get('task')!r} cannot be delayed for exchange {targets[0][0]!r} with routing key "
                f"{targets[0][1]!r}: no queue of task_queues is bound there, and a delay leads to queues"
            )
        return [self._later(message, name, envelope.delay, envelope.priority) for name in names]

    def again(self, delivery: Delivery, delay: float) -> Outgoing:
        """A copy of a delivery for its own queue, after `delay` seconds."""
        message = delivery.message
        if not isinstance(message, Message):
            raise EncodeError("what is no message cannot be sent again")
        priority = message.properties.get("priority")
        if delay > 0:
            return self._later(message, delivery.queue, delay, priority)
        parked = bool(message.properties.get(PARKED))
        properties = messages.write(message, priority=priority, parked=parked)
        return Outgoing("", delivery.queue, properties, message.body, delivery.queue)

    def bury(self, delivery: Delivery, reason: str, now: float) -> Outgoing:
        """A delivery as a dead letter."""
        why = {
            "reason": reason,
            "died_at": now,
            "queue": delivery.queue,
            "attempt": delivery.attempt,
            "id": new_id(),
        }
        properties, body = messages.raw(delivery.message, headers={messages.DEAD: why})
        name = self.dead_queue(delivery.queue)
        return Outgoing("", name, properties, body, name, plain=True)

    def revive(self, letter: DeadLetter) -> Outgoing:
        """A dead letter on its way back."""
        properties, body = messages.raw(letter.message, headers={})
        return Outgoing("", letter.queue, properties, body, letter.queue)

    def prepare(self, out: Outgoing, declarer: Declarer, until: float) -> None:
        """Make sure that what `out` needs exists. Raises `Refused`, `Down`, `EncodeError`."""
        if out.place is not None:
            declarer.exchange(out.place.name, out.place.kind, out.place.durable, until)
            return
        if out.reply:
            return
        if out.plain:
            declarer.plain(out.queue, until)
        elif out.delayed:
            self._ladder.declare(declarer, out.queue, until)
        else:
            for name in self.queues_of(out):
                declarer.queue(name, until)

    def queues_of(self, out: Outgoing) -> list[str]:
        """The queues that have to be there: its own, or those that the app binds to its exchange."""
        if not out.exchange or out.delayed:
            return [out.queue]
        return [queue.name for queue in self._topology.bound_to(out.exchange)]

    def _later(self, message: Message, queue: str, delay: float, priority: int | None) -> Outgoing:
        exchange, key, expiration = self._ladder.enter(delay, queue)
        properties = messages.write(message, priority=priority, parked=True, expiration=expiration)
        return Outgoing(exchange, key, properties, message.body, queue, delayed=True)

    def _targets(self, envelope: Envelope) -> list[tuple[str, str]]:
        """Celery sends past direct exchanges: the default exchange leads to the queue itself."""
        if not (envelope.exchange or envelope.routing_key):
            # What is tried again would reach the other queues of its exchange once more.
            return [("", envelope.queue)]
        queue = self._topology.queue(envelope.queue)
        exchange = envelope.exchange or queue.exchange
        kind = self._topology.exchange_type(exchange) or queue.exchange_type
        if kind == "direct" and exchange == queue.exchange:
            return [("", envelope.queue)]
        return [(exchange, envelope.routing_key or queue.routing_key)]

    def _bound(self, target: tuple[str, str]) -> list[str]:
        exchange, key = target
        return [
            queue.name
            for queue in self._topology.bound_to(exchange)
            if matches(queue.exchange_type, queue.routing_key, key)
        ]

    def _check_size(self, message: Message) -> None:
        if len(message.body) > self._largest:
            raise PublishError(
                f"task {message.headers.get('task')!r} has a body of {len(message.body)} bytes, and RabbitMQ takes "
                f"{self._largest} (option max_message_size)"
            )


def matches(kind: str, pattern: str, key: str) -> bool:
    """Whether an exchange of this type leads a routing key to a binding."""
    if kind == "fanout":
        return True
    return _words(pattern.split("."), key.split(".")) if kind == "topic" else pattern == key


def _words(pattern: list[str], key: list[str]) -> bool:
    if not pattern:
        return not key
    if pattern[0] == "#":
        return any(_words(pattern[1:], key[start:]) for start in range(len(key) + 1))
    return bool(key) and pattern[0] in ("*", key[0]) and _words(pattern[1:], key[1:])
