"""`app.events`: sending and receiving events over the app's broker."""

from __future__ import annotations

import atexit
import os
import socket
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Final

from tq.contracts.broker import Cap
from tq.contracts.subscription import Subscription
from tq.errors import ImproperlyConfigured
from tq.events.dispatcher import Dispatcher as EventDispatcher
from tq.events.event import EVERYTHING, EXCHANGE, MULTI, message_of
from tq.events.receiver import Handler
from tq.events.receiver import Receiver as EventReceiver
from tq.events.state import State as ClusterState
from tq.records import Channel, Envelope, Message, Notice

if TYPE_CHECKING:
    from tq.app.connections import Connections

CHANNEL: Final = Channel(EXCHANGE, "topic", durable=True)
ASKING: Final = 2.0
"""Seconds that the answer to `is_heard` is waited for, at most."""
_SENT = ("root_id", "parent_id", "retries", "eta", "expires")


class AppEvents:
    """Celery's names: `Receiver`, `State`, `Dispatcher`, `default_dispatcher`.

    Dispatchers are made when first needed, one for each process and name; what they collected is sent when the app
    is closed or the program ends.
    """

    def __init__(self, app: Connections) -> None:
        self._app = app
        self._pid = os.getpid()
        self._dispatchers: dict[str, EventDispatcher] = {}
        self._lock = threading.Lock()

    State = ClusterState

    def Receiver(
        self,
        connection: object = None,
        handlers: Mapping[str, Handler] | None = None,
        routing_key: str = EVERYTHING,
        **celery_options: object,
    ) -> EventReceiver:
        """Something that listens; `connection` and further arguments of Celery's are taken and mean nothing.

        Raises `ImproperlyConfigured` where the broker cannot broadcast.
        """
        self.require()
        return EventReceiver(
            self._subscribe, self._app.clock, handlers, routing_key, wakeup=self._wake_workers
        )

    def Dispatcher(
        self, connection: object = None, hostname: str | None = None, **celery_options: object
    ) -> EventDispatcher:
        """This process' dispatcher of that name; `connection` and further arguments mean nothing."""
        return self.dispatcher(hostname)

    @contextmanager
    def default_dispatcher(
        self, connection: object = None, hostname: str | None = None
    ) -> Iterator[EventDispatcher]:
        """This process' dispatcher; what was sent has left when the block ends, unless the broker is away."""
        dispatcher = self.dispatcher(hostname)
        yield dispatcher
        dispatcher.flush()

    def dispatcher(
        self, hostname: str | None = None, guard: AbstractContextManager[Any] | None = None
    ) -> EventDispatcher:
        """The dispatcher of this process for a worker's name, by default that of a client (`gen4711@host`).

        Raises `ImproperlyConfigured` where the broker cannot broadcast.
        """
        self.require()
        self._forget_after_fork()
        with self._lock:
            name = hostname or f"gen{os.getpid()}@{socket.gethostname()}"
            found = self._dispatchers.get(name)
            if found is None:
                if not self._dispatchers:
                    _close_at_exit(self)
                found = EventDispatcher(self._publish, hostname=name, clock=self._app.clock, guard=guard)
                self._dispatchers[name] = found
            return found

    def sent(self, envelope: Envelope) -> None:
        """task-sent, for a message that the broker accepted."""
        headers = envelope.message.headers
        if "id" in headers:
            self.dispatcher().send(
                "task-sent",
                uuid=headers["id"],
                name=headers.get("task"),
                args=headers.get("argsrepr"),
                kwargs=headers.get("kwargsrepr"),
                **{name: headers.get(name) for name in _SENT},
                queue=envelope.queue,
                exchange=envelope.exchange,
                routing_key=envelope.routing_key or envelope.queue,
            )

    def is_heard(self) -> bool:
        """Whether anybody listens to the events of tasks, as far as the broker can tell. Raises `BrokerError`."""
        nothing = Notice(CHANNEL, message_of(b"[]", socket.gethostname()), MULTI)
        timeout = min(self._app.conf.broker_publish_timeout, ASKING)
        return self._app.broker.is_heard(nothing, timeout=timeout)

    def require(self) -> None:
        """Raise `ImproperlyConfigured` where the broker cannot broadcast."""
        broker = self._app.broker
        if Cap.BROADCAST not in broker.capabilities:
            raise ImproperlyConfigured(
                f"{type(broker).__name__} cannot broadcast, so there are no events; docs/plugins/README.md says which "
                "brokers can"
            )

    def close(self) -> None:
        """Send what waits."""
        self._forget_after_fork()
        with self._lock:
            dispatchers, self._dispatchers = list(self._dispatchers.values()), {}
        for dispatcher in dispatchers:
            dispatcher.close()

    def _forget_after_fork(self) -> None:
        if os.getpid() != self._pid:
            self._pid, self._dispatchers, self._lock = os.getpid(), {}, threading.Lock()

    def _wake_workers(self) -> None:
        control: Any = getattr(self._app, "control", None)
        if control is not None:
            control.broadcast("heartbeat")

    def _subscribe(self, pattern: str) -> Subscription:
        return self._app.broker.subscribe(CHANNEL, pattern)

    def _publish(self, batch: Sequence[tuple[str, Message]]) -> None:
        notices = [Notice(CHANNEL, message, key) for key, message in batch]
        refused = self._app.broker.announce(notices, timeout=self._app.conf.broker_publish_timeout)
        for error in refused:
            if error is not None:
                raise error


def _close_at_exit(events: AppEvents) -> None:
    reference = weakref.ref(events)

    def close() -> None:
        known = reference()
        if known is not None:
            known.close()

    atexit.register(close)
