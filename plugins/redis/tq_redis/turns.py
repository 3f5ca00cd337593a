"""The requests of one consumer: numbered, so that none has an effect twice, and none strands a message.

A request that lends messages carries running numbers for them that were never used. The server refuses a
number that it has passed. Numbers of requests whose answers were not seen are in doubt; `resync` moves the
server past all of them, and reads what they lent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from tq.errors import LeaseLost
from tq.records import Delivery, Settlement
from tq_redis.connect import Connector
from tq_redis.element import LAST_NUMBER, STEP, deliveries, delivery_of, queue_number
from tq_redis.keys import PLAIN, Layout, QueueKeys
from tq_redis.link import Link, Refused
from tq_redis.outgoing import Outbox
from tq_redis.scripts import RESYNC, TURN, Script
from tq_redis.settling import Document, Instructions

BATCH_BYTES = 256 * 1024
"""Bytes after which a batch is full; one larger message still comes, alone."""
_RUN = 64
"""Messages in a row after which one of a plain list goes first, so that urgent ones cannot hold it up for ever."""


class Turns:
    """Raises `Down`, `Refused` for an error reply, and `LeaseLost` once the consumer is dead."""

    def __init__(
        self,
        consumer_id: str,
        queues: Sequence[QueueKeys],
        layout: Layout,
        outbox: Outbox,
        connector: Connector,
        document: Callable[[], tuple[Document | None, int]],
        timeout: float,
    ) -> None:
        self._id = consumer_id
        self._queues = queues
        self.numbers = {keys.name: number for number, keys in enumerate(queues)}
        self._outbox = outbox
        self._connector = connector
        self._document = document
        self._timeout = timeout
        self._state = layout.state(consumer_id)
        self._keys = [self._state]
        for keys in queues:
            lists = (keys.lists[code] for code in layout.order)
            self._keys += [keys.delayed, keys.inflight(consumer_id), *lists]
        self._codes = bytes(layout.order)
        self._plain = layout.order.index(PLAIN) + 1
        self._link: Link | None = None
        self._next = 1
        self._doubt: list[tuple[int, int]] = []
        self.due = float("inf")
        """When the next delayed message is due, by the monotonic clock."""
        self.extra: list[Delivery] = []
        """What an answer lent beside its errors."""
        self._in_a_row = 0
        self._favoured = 0

    @property
    def bound(self) -> int:
        """This consumer has not received any receipt from here up."""
        return self._next * STEP

    def send(self, batch: Sequence[Settlement], limit: int) -> list[Delivery]:
        """One round trip: settle, and look once."""
        number = self.reserve(limit) if limit else 0
        return self.read(self._run(TURN, *self._request(batch, number, limit)), number, limit)

    def reserve(self, limit: int) -> int:
        """Running numbers for one request; in doubt from now on."""
        if self._next > LAST_NUMBER:
            raise LeaseLost(f"consumer {self._id} has read more messages than one may; make a new one")
        number = self._next
        self._next += limit
        self._doubt.append((number, self._next))
        return number

    def command(self, number: int, limit: int) -> bytes:
        """A request that only lends, packed."""
        return TURN.command(*self._request((), number, limit))

    def read(self, reply: Any, number: int, limit: int) -> list[Delivery]:
        """Read the answer to a request, after which nothing of it is in doubt."""
        if number:
            self._doubt.remove((number, number + limit))
        if reply[0] < 0:
            raise self._lost()
        lent: list[Delivery] = []
        for queue, code, first, elements in reply[3:]:
            lent += deliveries(self._queues[queue].name, queue, code, first, elements)
        if number:
            self._count(lent, number, limit)
            due = reply[2] if len(reply) > 2 else -1
            self.due = time.monotonic() + due / 1000 if due >= 0 else float("inf")
        if reply[1]:
            self.extra += lent
            raise Refused(reply[1][0].decode("utf-8", "replace"))
        return lent

    def resync(self) -> list[Delivery]:
        """Make requests on their way worthless, and read what those in doubt lent before."""
        if not self._doubt:
            return []
        pairs = [number for pair in self._doubt for number in pair]
        inflight = [keys.inflight(self._id) for keys in self._queues]
        reply = self._run(RESYNC, [self._state, *inflight], [self._next, *pairs])
        self._next += 1
        self._doubt.clear()
        if reply[0] < 0:
            raise self._lost()
        return [
            delivery_of(raw, self._queues[queue_number(receipt)].name, receipt)
            for receipt, raw in zip(reply[1::2], reply[2::2], strict=True)
        ]

    def open(self) -> Link:
        """A new connection."""
        return self._connector.open(time.monotonic() + self._timeout)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._link:
            self._link.close()
            self._link = None

    def _request(self, batch: Sequence[Settlement], number: int, limit: int) -> tuple[list[str], list[Any]]:
        document, live = self._document() if batch else (None, 0)
        first = 0
        if self._in_a_row >= _RUN and limit:
            first, self._in_a_row = self._favoured + 1, 0
            self._favoured = (self._favoured + 1) % len(self._queues)
        args = [
            self._id,
            number,
            limit,
            BATCH_BYTES,
            len(self._queues),
            self._codes,
            self._plain,
            first,
            live,
        ]
        if not batch:
            return self._keys, args
        instructions = Instructions(self.numbers, self._queues, len(self._keys) + 1)
        instructions.write(batch, self._outbox, document)
        return [*self._keys, *instructions.keys], args + instructions.args

    def _count(self, lent: list[Delivery], number: int, limit: int) -> None:
        if self._next == number + limit:
            self._next = number + max(1, len(lent))
        full = len(lent) >= limit or sum(each.size for each in lent) > BATCH_BYTES // 2
        self._in_a_row = self._in_a_row + len(lent) if full else 0

    def _lost(self) -> LeaseLost:
        return LeaseLost(
            f"consumer {self._id} was declared dead, and what it held was given to others; make a new one"
        )

    def _run(self, script: Script, keys: list[str], args: list[Any]) -> Any:
        if self._link is None:
            self._link = self.open()
        until = time.monotonic() + self._timeout
        (reply,) = self._link.call(script.command(keys, args), 1, until)
        if script.unknown(reply):
            (reply,) = self._link.call(script.source(keys, args), 1, until)
        if isinstance(reply, Refused):
            raise reply
        return reply
