"""RabbitMQ as broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from tq.contracts.broker import Broker, Cap, Consumer
from tq.contracts.subscription import Subscription
from tq.errors import EncodeError, PublishError
from tq.records import (
    Action,
    Channel,
    DeadLetter,
    Delivery,
    Envelope,
    Finding,
    Message,
    Notice,
    Queue,
    QueueStats,
    Revocation,
)
from tq_amqp import checkup, forms, listening
from tq_amqp.address import read_addresses
from tq_amqp.backend import RpcBackend
from tq_amqp.connect import Connector
from tq_amqp.consumer import AmqpConsumer
from tq_amqp.faults import Server
from tq_amqp.ladder import LONGEST
from tq_amqp.lane import Lane
from tq_amqp.letters import DeadLetters
from tq_amqp.options import BrokerOptions, heartbeat_of
from tq_amqp.outgoing import Office, Outgoing
from tq_amqp.outlet import NobodyTook, Outlet
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.failures import Down, Refused
from tq_amqp.protocol.wire import Wire
from tq_amqp.revocations import Revocations
from tq_amqp.session import Session
from tq_amqp.streams import BEING_MADE, INTERNAL_ERROR, let_others_finish
from tq_amqp.suspects import identity, make_stream, name_of, note_death
from tq_amqp.topology import Declarer, Topology

T = TypeVar("T")
M = TypeVar("M")
_LISTENERS_HEARTBEAT = 60.0
_NOT_FOUND = 404
_PROBE = 3.0
_SHORTEST_PATIENCE = 2.0


class AmqpBroker(Broker):
    """Messages in queues of RabbitMQ 3.8 or newer, as Celery puts them there."""

    api_version = 1
    capabilities = (
        Cap.DELAY
        | Cap.BROADCAST
        | Cap.DEAD_LETTERS
        | Cap.STATS
        | Cap.REVOKE
        | Cap.PURGE
        | Cap.ORDER
        | Cap.DURABLE
        | Cap.SHARED
    )
    max_body = BrokerOptions().max_message_size
    max_delay = LONGEST
    options_type = BrokerOptions

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(url, options)
        chosen: BrokerOptions = self.options
        self._server = Server(url)
        self._connector = Connector(read_addresses(url), chosen)
        self._topology = Topology(chosen)
        self._office = Office(chosen, self._topology)
        self._letters = DeadLetters(self._office)
        self._publishing = Lane(self._connector, self._outlet)
        self._asking = Lane(self._connector, self._outlet)
        self._patience: float = chosen.socket_timeout
        """Seconds to wait for an answer that tasks wait for: a line that died without a word should be noticed before
        others would take a lease for over."""
        self.max_body = chosen.max_message_size  # type: ignore[misc]
        self._replies: RpcBackend | None = None
        self._revocations = Revocations()
        self._claim()

    def __repr__(self) -> str:
        return f"AmqpBroker({self._server.shown!r})"

    def declare(self, queues: Sequence[Queue], *, others: Queue) -> None:
        self._topology.know(queues, others)
        self._claim()

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        return self._publish(batch, self._office.send, time.monotonic() + timeout)

    def _publish(
        self, batch: Sequence[M], write: Callable[[M], list[Outgoing]], until: float
    ) -> list[Exception | None]:
        outgoing: list[Outgoing] = []
        places: list[int] = []
        answers: list[Exception | None] = [None] * len(batch)
        for place, given in enumerate(batch):
            try:
                made = write(given)
            except (EncodeError, PublishError) as exc:
                answers[place] = exc
                continue
            outgoing += made
            places += [place] * len(made)
        if outgoing:
            for place, error in zip(places, self._sent(outgoing, until), strict=True):
                answers[place] = answers[place] or error
        return answers

    def consumer(self, queues: Sequence[str], consumer_id: str, *, lease: float) -> Consumer:
        def connect(names: Sequence[str], bell: int, until: float) -> Session:
            wire = self._connector.open(until, heartbeat=heartbeat_of(lease, self.options.heartbeat))
            try:
                return Session(wire, self._outlet(wire, until), names, bell, until)
            except BaseException:
                wire.drop()
                raise

        names = tuple(dict.fromkeys(queues))
        self._patience = min(self._patience, max(lease, _SHORTEST_PATIENCE))
        return AmqpConsumer(
            consumer_id,
            names,
            connect,
            self._office,
            self._server,
            timeout=self._patience,
            replies=lambda: self._replies,
            on_loss=self._doubt,
            prepare=self._prepare_notes,
        )

    def revoke(self, batch: Sequence[Revocation], *, expires: float) -> None:
        self._ask(lambda outlet, until: self._revocations.add(outlet, batch, expires, until), "revoke tasks")

    def revoked(self, after: int = 0) -> tuple[int, Sequence[Revocation]]:
        return self._ask(
            lambda outlet, until: self._revocations.after(outlet, after, until),
            "read revoked tasks",
            self._patience,
        )

    def announce(self, batch: Sequence[Notice], *, timeout: float) -> Sequence[Exception | None]:
        return self._publish(batch, lambda given: [listening.notice(given)], time.monotonic() + timeout)

    def is_heard(self, notice: Notice, *, timeout: float) -> bool:
        asking = replace(listening.notice(notice), asks=True)
        (error,) = self._sent([asking], time.monotonic() + timeout)
        if error is not None and not isinstance(error, NobodyTook):
            raise error
        return error is None

    def subscribe(
        self, channel: Channel, pattern: str = "", *, queue: str = "", ttl: float = 60.0
    ) -> Subscription:
        def connect(until: float) -> tuple[Wire, Declarer]:
            wire = self._connector.open(until, heartbeat=_LISTENERS_HEARTBEAT)
            return wire, Declarer(wire, self._topology)

        timeout: float = self.options.socket_timeout
        return listening.Listener(channel, pattern, queue, ttl, connect, self._server, timeout)

    def close(self) -> None:
        self._publishing.close()
        self._asking.close()

    def after_fork(self) -> None:
        self._publishing.after_fork()
        self._asking.after_fork()

    def adopt(self, delivery: Delivery) -> None:
        if self._replies is not None and isinstance(delivery.message, Message):
            self._replies.remember_caller(delivery.message)

    def read_again(self, raw: bytes) -> Message:
        return forms.read_again(raw)

    def end_run(
        self,
        consumer_id: str,
        delivery: Delivery,
        *,
        action: Action = Action.REQUEUE,
        reason: str = "",
        max_attempts: int = 3,
    ) -> Sequence[Delivery]:
        """The server gives the message back by itself; a note tells who gets it next what became of its holder.

        Once its deaths are `max_attempts`, that one moves it to the dead letters."""
        named = identity(delivery.message, delivery.queue)
        over = action is not Action.REQUEUE
        run = name_of(consumer_id, delivery.receipt)
        self._ask(
            lambda outlet, until: note_death(outlet, named, run, until, over=over), "note the end of a run"
        )
        return ()

    def stats(self, queue: str) -> QueueStats:
        def ask(outlet: Outlet, until: float) -> QueueStats:
            ready = _count(outlet, m.queue_declare(queue, passive=True), until)
            dead = _count(outlet, m.queue_declare(self._office.dead_queue(queue), passive=True), until)
            return QueueStats(queue, ready=ready, dead=dead)

        return self._ask(ask, f"count queue {queue!r}")

    def findings(self) -> Sequence[Finding]:
        """Version, alarms, and queues that differ from what the app declares. AMQP does not tell `consumer_timeout`."""
        shown = self._server.shown

        def ask(outlet: Outlet, until: float) -> list[Finding]:
            found = list(checkup.of_server(outlet.wire.properties, shown))
            return [*found, *checkup.of_queues(outlet, self._topology.declared(), shown, until)]

        found = self._ask(ask, "look at the set-up")
        return [*found, *self._alarms(shown)]

    def _alarms(self, shown: str) -> list[Finding]:
        until = time.monotonic() + _PROBE
        wire = self._connector.open(until)
        try:
            outlet = self._outlet(wire, until)
            # The first one may still pass while the server notices that it comes from a publisher.
            for _ in range(2):
                outlet.publish([checkup.probe()], until)
        except Down as exc:
            return [checkup.blocked(shown, wire.blocked or str(exc))]
        finally:
            # A blocked one would not be closed in time.
            wire.drop()
        return []

    def purge(self, queue: str) -> int:
        def purge(outlet: Outlet, until: float) -> int:
            return _count(outlet, m.queue_purge(queue), until, m.read_count)

        return self._ask(purge, f"purge queue {queue!r}")

    def dead_letters(self, queue: str, *, limit: int = 100) -> Sequence[DeadLetter]:
        doing = f"read the dead letters of queue {queue!r}"
        return self._ask(lambda outlet, until: self._letters.newest(outlet, queue, limit, until), doing)

    def requeue_dead(self, queue: str, ids: Sequence[str]) -> int:
        chosen = set(ids)
        doing = f"requeue dead letters of queue {queue!r}"
        return self._ask(lambda outlet, until: self._letters.requeue(outlet, queue, chosen, until), doing)

    def drop_dead(self, queue: str, ids: Sequence[str]) -> int:
        chosen = set(ids)
        doing = f"drop dead letters of queue {queue!r}"
        return self._ask(lambda outlet, until: self._letters.drop(outlet, queue, chosen, until), doing)

    def joins(self, backend: object) -> bool:
        """True for an `RpcBackend`: from then on `settle` sends results to who asked for them."""
        if not isinstance(backend, RpcBackend):
            return False
        self._replies = backend
        return True

    # -- parts ---------------------------------------------------------------------------------------------

    def _claim(self) -> None:
        found = type(self).capabilities
        if self._topology.priorities:
            found |= Cap.PRIORITY
        if self.options.queue_type == "quorum":
            found &= ~Cap.ORDER
        self.capabilities = found  # type: ignore[misc]

    def _outlet(self, wire: Wire, until: float) -> Outlet:
        return Outlet(wire, self._topology, self._office, self._server)

    def _doubt(self) -> None:
        self._publishing.doubt()
        self._asking.doubt()

    def _sent(self, outgoing: Sequence[Outgoing], until: float) -> list[Exception | None]:
        entrusted = False
        try:
            with self._publishing.use(until) as outlet:
                entrusted = True
                return outlet.publish(outgoing, until)
        except (Down, Refused) as exc:
            raise self._server.broker_error(exc, "publish", in_doubt=entrusted) from exc

    def _ask(self, work: Callable[[Outlet, float], T], doing: str, patience: float | None = None) -> T:
        until = time.monotonic() + (patience or self.options.socket_timeout)
        try:
            return self._asked(work, until)
        except (Down, Refused) as exc:
            raise self._server.broker_error(exc, doing) from exc

    def _prepare_notes(self) -> None:
        until = time.monotonic() + self._patience
        while True:
            try:
                with self._asking.use(until) as outlet:
                    return make_stream(outlet, until)
            except Refused as exc:
                if exc.code not in BEING_MADE or time.monotonic() >= until:
                    raise
            let_others_finish()

    def _asked(self, work: Callable[[Outlet, float], T], until: float) -> T:
        try:
            with self._asking.use(until) as outlet:
                return work(outlet, until)
        except Refused as exc:
            if exc.code != INTERNAL_ERROR:
                raise
            let_others_finish()
        with self._asking.use(until) as outlet:
            return work(outlet, until)


def _ready(declared: bytes) -> int:
    return m.read_declared(declared)[1]


def _count(outlet: Outlet, question: bytes, until: float, read: Callable[[bytes], int] = _ready) -> int:
    """What the server answers to a question about a queue; 0 where there is no such queue."""
    channel = outlet.wire.channel(until)
    try:
        count = read(channel.call(question, until))
    except Refused as exc:
        if exc.code == _NOT_FOUND:
            return 0
        raise
    channel.close(until)
    return count
