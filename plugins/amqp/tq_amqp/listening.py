"""Announcements: exchanges and queues of remote control and events, as Celery declares them.

A listener has a connection and a queue of its own, which the server removes when the connection is gone.
Source: kombu 5.7, `kombu.pidbox` and Celery 5.7, `celery.events`, on the wire.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from tq.contracts.subscription import MOST_HEARD, Subscription
from tq.errors import EncodeError, PublishError
from tq.records import Channel as Place
from tq.records import Heard, Notice
from tq.wire.ids import new_id
from tq_amqp import messages
from tq_amqp.bell import Bell
from tq_amqp.faults import Server
from tq_amqp.outgoing import Outgoing
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.channel import Channel
from tq_amqp.protocol.failures import Down, Refused
from tq_amqp.protocol.wire import Wire
from tq_amqp.topology import Declarer

T = TypeVar("T")
_LOCKED = 405
_PREFETCH = 1000
_EXPIRES = 60_000
"""Milliseconds after which a queue that nobody reads is removed."""
_PARTING = 2.0


def notice(given: Notice) -> Outgoing:
    """A notice on its way. Raises `PublishError`."""
    try:
        properties = messages.write(given.message)
    except EncodeError as exc:
        raise PublishError(
            f"an announcement through {given.channel.name!r} cannot be written: {exc}"
        ) from exc
    place = given.channel
    return Outgoing(place.name, given.routing_key, properties, given.message.body, "", place=place)


def declare(declarer: Declarer, place: Place, until: float) -> None:
    """Make sure that an exchange exists. Raises `Refused`, `Down`."""
    declarer.exchange(place.name, place.kind, place.durable, until)


class Listener(Subscription):
    """One listener; `connect` opens a connection until a moment."""

    def __init__(
        self,
        place: Place,
        pattern: str,
        queue: str,
        ttl: float,
        connect: Callable[[float], tuple[Wire, Declarer]],
        server: Server,
        timeout: float,
    ) -> None:
        self._place = place
        self._pattern = "" if place.kind == "fanout" else pattern
        self._queue = queue or new_id()
        self._ttl = ttl
        self._connect = connect
        self._server = server
        self._timeout = timeout
        self._bell = Bell()
        self._access = threading.Lock()
        self._channel: Channel | None = None
        self._closed = False
        self._guarded(self._ready)

    def __repr__(self) -> str:
        return f"Listener({self._place.name!r}, {self._server.shown!r})"

    def receive(self, limit: int, wait: float) -> Sequence[Heard]:
        with self._access:
            return self._guarded(lambda: self._receive(limit, time.monotonic() + wait))

    def interrupt(self) -> None:
        self._bell.ring()

    def close(self) -> None:
        with self._access:
            if not self._closed:
                self._closed = True
                channel, self._channel = self._channel, None
                if channel is not None:
                    channel.wire.close(time.monotonic() + _PARTING)
                self._bell.close()

    def _receive(self, limit: int, until: float) -> list[Heard]:
        channel = self._ready()
        if not self._bell.rang():
            channel.wire.pump(
                lambda: bool(channel.deliveries or channel.closed or channel.cancelled),
                until,
                bell=self._bell.fd,
            )
            self._bell.rang()
        if channel.closed is not None:
            raise channel.closed
        if channel.cancelled:
            raise Down("the queue of a listener was removed")
        heard: list[Heard] = []
        last = 0
        while channel.deliveries and len(heard) < limit:
            incoming = channel.deliveries.popleft()
            last = incoming.tag
            heard.append(Heard(messages.read(incoming, incoming.key)[0], incoming.key))
        if last:
            channel.send(m.ack(last, multiple=True))
            channel.wire.pump(lambda: True, time.monotonic() + self._timeout)
        return heard

    def _ready(self) -> Channel:
        if self._channel is None:
            until = time.monotonic() + self._timeout
            wire, declarer = self._connect(until)
            try:
                declare(declarer, self._place, until)
                self._channel = self._bound(wire, until)
            except BaseException:
                wire.drop()
                raise
        return self._channel

    def _bound(self, wire: Wire, until: float) -> Channel:
        channel = wire.channel(until)
        arguments = {
            "x-expires": _EXPIRES,
            "x-message-ttl": max(1, round(self._ttl * 1000)),
            "x-max-length": MOST_HEARD,
        }
        own = {"durable": False, "exclusive": True, "auto_delete": True, "arguments": arguments}
        try:
            channel.call(m.queue_declare(self._queue, **own), until)  # type: ignore[arg-type]
        except Refused as exc:
            if exc.code != _LOCKED:
                raise
            # Another listener has the name, or one of this name has not been missed yet.
            self._queue = new_id()
            channel = wire.channel(until)
            channel.call(m.queue_declare(self._queue, **own), until)  # type: ignore[arg-type]
        channel.calls(
            [
                m.queue_bind(self._queue, self._place.name, self._pattern),
                m.qos(_PREFETCH),
                m.consume(self._queue, "listener"),
            ],
            until,
        )
        return channel

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (Down, Refused) as exc:
            self._lose()
            raise self._server.broker_error(exc, f"listen to {self._place.name!r}") from exc
        except BaseException:
            self._lose()
            raise

    def _lose(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.wire.drop()
