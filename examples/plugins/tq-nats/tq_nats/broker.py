"""NATS JetStream as broker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from nats.aio.client import Client
from tq.contracts import Broker, Cap
from tq.records import Settlement
from tq.wire.ids import new_id

from tq_nats.consumer import NatsConsumer
from tq_nats.letters import Letters
from tq_nats.link import Link
from tq_nats.options import Options
from tq_nats.sending import LARGEST, Sender
from tq_nats.stream import api, consumer_of
from tq_nats.subjects import Subjects

if TYPE_CHECKING:
    from tq.contracts import Consumer
    from tq.records import DeadLetter, Envelope

_DRAINED = 500
_MOMENT = 10.0
"""The lease of what is taken to be removed at once. Workers, who come with longer ones, lengthen it."""


class NatsBroker(Broker):
    """One work-queue stream for all queues, and in it one consumer for each queue, which all workers share."""

    api_version = 1
    capabilities = Cap.DELAY | Cap.DEAD_LETTERS | Cap.PURGE | Cap.DURABLE | Cap.SHARED
    max_body = LARGEST
    options_type = Options

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(url, options)
        self.options: Options
        self._link = Link(url, self.options)
        self._sender = Sender(self._link, self.options.stream)
        self._letters = Letters(self._link, self.options.stream)

    def __repr__(self) -> str:
        return f"NatsBroker({self._link.shown!r})"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        return self._sender.publish(batch, timeout)

    def consumer(self, queues: Sequence[str], consumer_id: str, *, lease: float) -> Consumer:
        names = list(dict.fromkeys(queues))
        self._link.run(f"read the queues {', '.join(names)}", partial(self._ensure, names, lease))
        publish = partial(self.publish, timeout=self.options.timeout)
        return NatsConsumer(
            consumer_id, names, self.options.stream, lease, self._link, self._letters, publish
        )

    async def _ensure(self, names: Sequence[str], lease: float, client: Client) -> None:
        for name in names:
            lane = Subjects(self.options.stream, name)
            await consumer_of(client, lane.stream, lane.durable, lane.ready, lease)

    def close(self) -> None:
        self._link.close()

    def after_fork(self) -> None:
        self._link.after_fork()

    def purge(self, queue: str) -> int:
        removed = self._link.run(f"purge queue {queue!r}", partial(self._purge_delayed, queue))
        reader = self.consumer([queue], f"purge-{new_id()}", lease=_MOMENT)
        # Taken and acknowledged, because a purge by the server would take what is lent as well.
        while taken := reader.receive(_DRAINED, 0.0):
            reader.settle([Settlement(each) for each in taken])
            removed += len(taken)
        reader.close()
        return removed

    async def _purge_delayed(self, queue: str, client: Client) -> int:
        stream = self.options.stream
        everything = Subjects(stream, queue).later("*")
        return int((await api(client, f"STREAM.PURGE.{stream}", filter=everything))["purged"])

    def dead_letters(self, queue: str, *, limit: int = 100) -> Sequence[DeadLetter]:
        return self._letters.read(queue, limit)

    def requeue_dead(self, queue: str, ids: Sequence[str]) -> int:
        return self._letters.requeue(queue, ids)

    def drop_dead(self, queue: str, ids: Sequence[str]) -> int:
        return self._letters.drop(queue, ids)
