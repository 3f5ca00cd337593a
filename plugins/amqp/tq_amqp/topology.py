"""Queues, exchanges and bindings, declared as Celery declares them, so that both sides may come first.

For a queue Q: the durable direct exchange Q, the durable queue Q, bound with the key Q; what `task_queues` says
about a queue comes first. Source: kombu 5.7 on the wire.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

import msgspec

from tq.records import Queue
from tq_amqp.options import BrokerOptions
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.channel import Channel
from tq_amqp.protocol.failures import Refused
from tq_amqp.protocol.wire import Wire

logger = logging.getLogger("tq.amqp")
_REMEMBERED = 10_000
_MAKING = 1.0
"""Seconds that a server may need for a new quorum queue."""
_DIFFERENT, _FORBIDDEN, _LOCKED = 406, 403, 405


class Topology:
    """What is known of queues; shared by all connections of a broker."""

    def __init__(self, options: BrokerOptions) -> None:
        self._options = options
        self._known: dict[str, Queue] = {}
        self._highest = options.max_priority
        self._filled: dict[str, Queue] = {}
        self._types: dict[str, str] = {}

    def know(self, queues: Iterable[Queue], others: Queue) -> None:
        """Remember what the app declares."""
        self._known.update((queue.name, queue) for queue in queues)
        if others.max_priority is not None:
            self._highest = others.max_priority
        self._filled.clear()
        self._types = {queue.exchange or name: queue.exchange_type for name, queue in self._known.items()}

    @property
    def priorities(self) -> bool:
        """Whether queues that nothing else is said about keep priorities."""
        return bool(self._highest)

    def declared(self) -> list[Queue]:
        """The app's queues, and those that were used; with all their places filled."""
        return [self.queue(name) for name in {**self._known, **self._filled}]

    def queue(self, name: str) -> Queue:
        """A queue with all its places filled."""
        filled = self._filled.get(name)
        if filled is None:
            filled = self._fill(name)
            if len(self._filled) < _REMEMBERED:
                self._filled[name] = filled
        return filled

    def _fill(self, name: str) -> Queue:
        found = self._known.get(name) or Queue(name)
        kind = self._options.queue_type
        arguments = {**({"x-queue-type": kind} if kind else {}), **found.queue_arguments}
        highest = self._highest if found.max_priority is None else found.max_priority
        if highest and arguments.get("x-queue-type") != "quorum":
            arguments.setdefault("x-max-priority", highest)
        return msgspec.structs.replace(
            found,
            exchange=found.exchange or name,
            routing_key=found.routing_key or name,
            queue_arguments=arguments,
        )

    def exchange_type(self, exchange: str) -> str | None:
        """The type of an exchange, where one of the app's queues names it."""
        return self._types.get(exchange)

    def bound_to(self, exchange: str) -> list[Queue]:
        """The app's queues that are bound to an exchange."""
        return [
            self.queue(name) for name, queue in self._known.items() if (queue.exchange or name) == exchange
        ]


class Declarer:
    """Declares on one connection what was not declared there yet."""

    def __init__(self, wire: Wire, topology: Topology) -> None:
        self._wire = wire
        self._topology = topology
        self._channel: Channel | None = None
        self._done: set[tuple[str, str]] = set()
        self._new: dict[str, float] = {}

    def may_be_in_the_making(self, queue: str) -> bool:
        """Whether it is a quorum queue that was met here a moment ago: another program may be making it, and until that is
        done the server refuses what comes (RabbitMQ 3.10)."""
        return time.monotonic() - self._new.get(queue, -_MAKING) < _MAKING

    def forget(self, queue: str) -> None:
        """This queue seems to be gone."""
        self._done.discard(("queue", queue))

    def forget_all(self) -> None:
        """Any of it may be gone."""
        self._done.clear()

    def queue(self, name: str, until: float) -> None:
        """Make sure that a queue exists. Raises `Refused`, `Down`, `EncodeError`."""
        if ("queue", name) in self._done:
            return
        queue = self._topology.queue(name)
        steps = [m.queue_declare(name, arguments=queue.queue_arguments)]
        if "x-expires" not in queue.queue_arguments or queue.exchange != name:
            # What goes away by itself leaves no exchange of its own behind; the default exchange leads to it.
            steps.insert(0, m.exchange_declare(queue.exchange, queue.exchange_type))
            steps.append(m.queue_bind(name, queue.exchange, queue.routing_key))
        try:
            self._channel_for(until).calls(steps, until)
        except Refused as exc:
            self._accept(name, exc, until)
        self._done.add(("queue", name))
        if queue.queue_arguments.get("x-queue-type") == "quorum":
            self._new[name] = time.monotonic()

    def plain(self, name: str, until: float, **how: object) -> None:
        """Make sure that a durable queue exists that nothing but the default exchange leads to."""
        if ("queue", name) in self._done:
            return
        try:
            self._channel_for(until).call(m.queue_declare(name, arguments=dict(how)), until)
        except Refused as exc:
            self._accept(name, exc, until)
        self._done.add(("queue", name))

    def exchange(self, name: str, kind: str, durable: bool, until: float) -> None:
        """Make sure that an exchange exists; one that is there already is used as it is."""
        if ("exchange", name) in self._done:
            return
        try:
            self._channel_for(until).call(m.exchange_declare(name, kind, durable=durable), until)
        except Refused as exc:
            if exc.code not in (_DIFFERENT, _FORBIDDEN):
                raise
            self._channel_for(until).call(m.exchange_declare(name, kind, passive=True), until)
        self._done.add(("exchange", name))

    def once(self, what: str, steps: Iterable[bytes], until: float) -> None:
        """Take these steps, unless that was done on this connection already."""
        if ("steps", what) not in self._done:
            self._channel_for(until).calls(list(steps), until)
            self._done.add(("steps", what))

    def _accept(self, name: str, refusal: Refused, until: float) -> None:
        """A queue that is there already is used as it is; who may not declare it, or says otherwise, is told."""
        if refusal.code not in (_DIFFERENT, _FORBIDDEN, _LOCKED):
            raise refusal
        try:
            self._channel_for(until).call(m.queue_declare(name, passive=True), until)
        except Refused:
            raise refusal from None
        logger.warning("queue %s is used as it is on the server, for %s", name, refusal.text)

    def _channel_for(self, until: float) -> Channel:
        if self._channel is None or self._channel.closed is not None:
            self._channel = self._wire.channel(until)
        return self._channel
