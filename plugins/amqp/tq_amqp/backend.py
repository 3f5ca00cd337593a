"""Results as messages to whoever asked for the task: `rpc://`, as Celery has it.

The caller names its own queue as `reply_to` of each call; the worker puts the document there, with the task's id as
`correlation_id`. So nobody else can ask for it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from tq.contracts.broker import Broker
from tq.contracts.results import BackendCap, ResultBackend
from tq.contracts.serializer import Serializer
from tq.errors import BackendError, ImproperlyConfigured, SerializationError
from tq.options import mask_url
from tq.records import Message, TaskMeta
from tq.wire.result_document import read_document, write_document
from tq_amqp.address import read_addresses
from tq_amqp.connect import Connector
from tq_amqp.faults import Server
from tq_amqp.inbox import Inbox
from tq_amqp.lane import Lane
from tq_amqp.messages import MALFORMED
from tq_amqp.options import BackendOptions, BrokerOptions
from tq_amqp.outgoing import Office, Outgoing
from tq_amqp.outlet import Outlet
from tq_amqp.protocol.failures import Down, Refused
from tq_amqp.protocol.incoming import Incoming
from tq_amqp.protocol.properties import pack_properties, read_properties
from tq_amqp.topology import Topology

T = TypeVar("T")
_REMEMBERED = 10_000
"""Callers of tasks that a worker remembers, for states before the last."""


class RpcBackend(ResultBackend):
    """Results as messages; see the module's text."""

    api_version = 1
    capabilities = BackendCap.PUSH | BackendCap.EXPIRES | BackendCap.SHARED | BackendCap.REPLIES
    options_type = BackendOptions
    _inbox: Inbox

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any] | None = None,
        *,
        serializer: Serializer,
        expires: float | None = 86400.0,
    ) -> None:
        super().__init__(url, options, serializer=serializer, expires=expires)
        self._mode = 2 if self.options.persistent else 1
        self._callers: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()
        self._at(url)

    def __repr__(self) -> str:
        return f"RpcBackend({self._server.shown!r})"

    def over(self, broker: Broker) -> None:
        if not broker.joins(self):
            raise ImproperlyConfigured(
                f"result_backend {mask_url(self.url)} sends results through the broker, and {mask_url(broker.url)} is "
                "no RabbitMQ; use amqp:// as broker_url, or another result_backend"
            )
        if not self.url.partition("://")[2].partition("?")[0]:
            self._at(broker.url)

    def address(self) -> str:
        return self._inbox.name

    def listen(self) -> None:
        self._guarded(self._inbox.listen, "listen for results")

    def store(self, batch: Sequence[TaskMeta]) -> None:
        outgoing = [self.reply(meta, self._caller(meta)) for meta in batch]
        if outgoing:
            self._guarded(lambda: self._send(outgoing), "send results")

    def get(self, task_ids: Sequence[str]) -> Mapping[str, TaskMeta]:
        return self._guarded(lambda: self._inbox.find(task_ids), "look for results")

    def wait(self, task_ids: Sequence[str], timeout: float) -> Mapping[str, TaskMeta]:
        return (
            self._guarded(lambda: self._inbox.wait(task_ids, timeout), "wait for results") if task_ids else {}
        )

    def forget(self, task_ids: Sequence[str]) -> None:
        self._guarded(lambda: self._inbox.forget(task_ids), "forget results")

    def close(self) -> None:
        self._inbox.close()
        self._sending.close()

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._sending.after_fork()
        # The parent's queue is not this process's; its connection is left alone.
        self._parents = self._inbox
        self._inbox = self._new_inbox()

    # -- for the broker ------------------------------------------------------------------------------------

    def remember(self, task_id: str, caller: str) -> None:
        """Who asked for a task that runs here."""
        with self._lock:
            self._callers[task_id] = caller
            if len(self._callers) > _REMEMBERED:
                self._callers.popitem(last=False)

    def remember_caller(self, message: Message) -> None:
        """The same of the message of that task."""
        self.remember(str(message.headers.get("id")), str(message.properties.get("reply_to") or ""))

    def reply(self, meta: TaskMeta, caller: str) -> Outgoing:
        """A document on its way to who asked. Raises `BackendError`."""
        body = write_document(meta, self.serializer)
        try:
            properties = pack_properties(
                {
                    "content_type": self.serializer.content_type,
                    "content_encoding": self.serializer.content_encoding,
                    "headers": {},
                    "delivery_mode": self._mode,
                    "priority": 0,
                    "correlation_id": meta.task_id,
                }
            )
        except SerializationError as exc:
            raise BackendError(f"the result of task {meta.task_id} cannot be sent: {exc}") from exc
        return Outgoing("", caller, properties, body, caller, reply=True)

    # -- parts ---------------------------------------------------------------------------------------------

    def _at(self, url: str) -> None:
        options = BrokerOptions()
        self._server = Server(url)
        self._connector = Connector(read_addresses(url), self.options)
        topology = Topology(options)
        office = Office(options, topology)
        self._sending = Lane(
            self._connector, lambda wire, until: Outlet(wire, topology, office, self._server)
        )
        self._inbox = self._new_inbox()

    def _new_inbox(self) -> Inbox:
        return Inbox(self._connector, self._document, self.expires, self.options.socket_timeout)

    def _caller(self, meta: TaskMeta) -> str:
        """What never runs because its parent failed answers to who asked for the parent."""
        with self._lock:
            return (
                self._callers.get(meta.task_id) or self._callers.get(meta.parent_id or "") or self._inbox.name
            )

    def _send(self, outgoing: Sequence[Outgoing]) -> None:
        until = time.monotonic() + self.options.socket_timeout
        if any(out.key == self._inbox.name for out in outgoing):
            self._inbox.listen()
        with self._sending.use(until) as outlet:
            for error in outlet.publish(outgoing, until):
                if error is not None:
                    raise BackendError(f"a result was not sent: {error}", url=self._server.shown)

    def _document(self, incoming: Incoming) -> TaskMeta | None:
        try:
            properties = read_properties(incoming.properties)
            return read_document(str(properties.get("correlation_id") or ""), incoming.body, self.serializer)
        except (BackendError, *MALFORMED):
            # The queue is this client's own; what else comes there is no answer to anything that it asked.
            return None

    def _guarded(self, work: Callable[[], T], doing: str) -> T:
        try:
            return work()
        except (Down, Refused) as exc:
            raise self._server.backend_error(exc, doing) from exc
