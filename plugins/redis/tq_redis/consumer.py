"""One reader of queues: a connection for its requests, and others to wait on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from tq.contracts.broker import Consumer
from tq.errors import LeaseLost
from tq.records import Delivery, Settlement
from tq.wire.envelope import unpack
from tq_redis.keys import PLAIN, REDO, Layout, QueueKeys
from tq_redis.link import Down, Link, Refused
from tq_redis.outgoing import Outbox
from tq_redis.scripts import RESYNC, TURN, Script
from tq_redis.settling import Document, Instructions
from tq_redis.waiting import Bell, Waiting, Wake

BATCH_BYTES = 256 * 1024
"""Bytes after which a batch is full; one larger message still comes, alone."""
_RUN = 64
"""Messages in a row after which one of a plain list goes first, so that urgent ones cannot hold it up for ever."""
_LAST = 2**40 - 2**20
"""The running number at which receipts would no longer be exact in Lua."""
_PAUSE = 0.2


class RedisConsumer(Consumer):
    """See `tq.contracts.broker.Consumer`. `fail` turns a lost connection or an error reply into the error to raise."""

    def __init__(
        self,
        consumer_id: str,
        queues: Sequence[QueueKeys],
        layout: Layout,
        outbox: Outbox,
        *,
        open_link: Callable[[float], Link],
        fail: Callable[[Exception, str], Exception],
        document: Callable[[], tuple[Document | None, int]],
        hand_back: Callable[[str], None],
        timeout: float,
    ) -> None:
        self.id = consumer_id
        self._queues = queues
        self._numbers = {keys.name: number for number, keys in enumerate(queues)}
        self._layout = layout
        self._outbox = outbox
        self._open_link = open_link
        self._fail = fail
        self._document = document
        self._hand_back = hand_back
        self._timeout = timeout
        self._keys = [layout.state(consumer_id), *self._queue_keys()]
        self._inflight = [self._keys[0], *(keys.inflight(consumer_id) for keys in queues)]
        self._codes = bytes(layout.order)
        self._plain = layout.order.index(PLAIN) + 1
        self._bell = Bell()
        self._waiting = Waiting(queues, self._open, self._bell)
        self._link: Link | None = None
        self._next = 1
        self._doubt: list[tuple[int, int]] = []
        """Running numbers of requests whose answers were not seen: what they lent is not known here."""
        self._found: list[Delivery] = []
        """Lent already, not yet handed out."""
        self._armed = 0
        self._due = float("inf")
        self._in_a_row = 0
        self._favoured = 0
        self._closed = False

    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        return self.turn((), limit, wait)[1]

    def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
        return self.turn(batch, 0, 0.0)[0]

    def turn(
        self, batch: Sequence[Settlement], limit: int, wait: float
    ) -> tuple[Sequence[bool], Sequence[Delivery]]:
        doing = f"receive from {', '.join(self._numbers)}" if limit else "settle tasks"
        try:
            return self._turn(batch, limit, time.monotonic() + wait)
        except Down as exc:
            self._disconnect()
            raise self._fail(exc, doing) from exc
        except Refused as exc:
            raise self._fail(exc, doing) from exc

    def interrupt(self) -> None:
        self._bell.ring()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._disconnect()
        self._hand_back(self.id)
        self._bell.close()

    # -- requests ------------------------------------------------------------------------------------------

    def _turn(
        self, batch: Sequence[Settlement], limit: int, until: float
    ) -> tuple[Sequence[bool], Sequence[Delivery]]:
        try:
            self._found += self._resync()
            if batch or (limit and not self._found):
                self._found += self._send(batch, 0 if self._found else limit)
        except LeaseLost:
            if not batch:
                raise
            return [False] * len(batch), ()
        if limit and not self._found:
            self._found = self._wait(limit, until)
        found, self._found = self._found[:limit], self._found[limit:]
        return [self._given(settlement) for settlement in batch], found

    def _given(self, settlement: Settlement) -> bool:
        """Whether it is about a message that this consumer received."""
        delivery = settlement.delivery
        return delivery.queue in self._numbers and int(delivery.receipt) // 8192 < self._next

    def _send(self, batch: Sequence[Settlement], limit: int) -> list[Delivery]:
        """One round trip: settle, and look once."""
        number = self._reserve(limit) if limit else 0
        return self._read(self._run(TURN, *self._request(batch, number, limit)), number, limit)

    def _request(self, batch: Sequence[Settlement], number: int, limit: int) -> tuple[list[str], list[Any]]:
        document, live = self._document() if batch else (None, 0)
        first = 0
        if self._in_a_row >= _RUN and limit:
            first, self._in_a_row = self._favoured + 1, 0
            self._favoured = (self._favoured + 1) % len(self._queues)
        args = [self.id, number, limit, BATCH_BYTES, len(self._queues), self._codes, self._plain, first, live]
        if not batch:
            return self._keys, args
        instructions = Instructions(self._numbers, self._queues, len(self._keys) + 1)
        instructions.write(batch, self._outbox, document)
        return [*self._keys, *instructions.keys], args + instructions.args

    def _reserve(self, limit: int) -> int:
        if self._next > _LAST:
            raise LeaseLost(
                f"consumer {self.id} has read {_LAST} messages, more than one may; make a new one"
            )
        number = self._next
        self._next += limit
        self._doubt.append((number, self._next))
        return number

    def _read(self, reply: Any, number: int, limit: int) -> list[Delivery]:
        """Read the answer to a turn, after which nothing of it is in doubt."""
        if number:
            self._doubt.remove((number, number + limit))
        if reply[0] < 0:
            raise LeaseLost(
                f"consumer {self.id} was declared dead, and what it held was given to others; make a new one"
            )
        lent = [delivery for group in reply[3:] for delivery in self._deliveries(*group)]
        if number:
            if self._next == number + limit:
                self._next = number + max(1, len(lent))
            full = len(lent) >= limit or sum(each.size for each in lent) > BATCH_BYTES // 2
            self._in_a_row = self._in_a_row + len(lent) if full else 0
            due = reply[2] if len(reply) > 2 else -1
            self._due = time.monotonic() + due / 1000 if due >= 0 else float("inf")
        if reply[1]:
            self._found += lent
            raise Refused(_text(reply[1][0]))
        return lent

    def _deliveries(self, queue: int, code: int, number: int, elements: list[bytes]) -> list[Delivery]:
        name = self._queues[queue].name
        receipt = (number * 256 + queue) * 32 + code
        if code == REDO:
            return [read_element(raw, name, receipt + at * 8192) for at, raw in enumerate(elements)]
        return [
            Delivery(unpack(raw), name, receipt + at * 8192, 1, len(raw)) for at, raw in enumerate(elements)
        ]

    def _resync(self) -> list[Delivery]:
        """Make requests on their way worthless, and read what they lent before."""
        if not self._doubt:
            return []
        pairs = [number for pair in self._doubt for number in pair]
        reply = self._run(RESYNC, self._inflight, [self._next, *pairs])
        self._next += 1
        self._doubt.clear()
        self._waiting.disown()
        if reply[0] < 0:
            raise LeaseLost(f"consumer {self.id} was declared dead while it was away; make a new one")
        return [
            read_element(raw, self._queues[receipt // 32 % 256].name, receipt)
            for receipt, raw in zip(reply[1::2], reply[2::2], strict=True)
        ]

    # -- waiting -------------------------------------------------------------------------------------------

    def _wait(self, limit: int, until: float) -> list[Delivery]:
        found: list[Delivery] = []
        while not found and (now := time.monotonic()) < until:
            if self._due <= now:
                found = self._send((), limit)
                continue
            self._arm(limit, min(until, self._due) - now)
            wake = self._waiting.wait(min(until, self._due))
            if wake is Wake.ANSWER:
                found = self._answer(limit)
            elif wake is not Wake.AGAIN:
                # Until it is taken back, a waiting request could lend messages to nobody.
                found = self._resync()
            if wake is Wake.RUNG:
                break
            if wake is Wake.LOOK and not found:
                found = self._send((), limit)
        return found

    def _arm(self, limit: int, seconds: float) -> None:
        """Let requests wait at the server, all with one running number: the first that runs ends the others."""
        if not self._waiting.idle:
            return
        if not self._waiting.live:
            number = self._armed = self._reserve(limit)
            self._waiting.request = TURN.command(*self._request((), number, limit))
        self._waiting.arm(seconds)

    def _answer(self, limit: int) -> list[Delivery]:
        answer = self._waiting.answer
        if isinstance(answer, Refused):
            # The same request over the other connection loads the script, or fails with a sentence.
            return self._resync() or self._send((), limit)
        found = self._read(answer, self._armed, limit)
        if not found and self._waiting.troubled:
            self._waiting.pause(_PAUSE)
        return found

    # -- connection ----------------------------------------------------------------------------------------

    def _run(self, script: Script, keys: list[str], args: list[Any]) -> Any:
        if self._link is None:
            self._link = self._open()
        until = time.monotonic() + self._timeout
        (reply,) = self._link.call(script.command(keys, args), 1, until)
        if script.unknown(reply):
            (reply,) = self._link.call(script.source(keys, args), 1, until)
        if isinstance(reply, Refused):
            raise reply
        return reply

    def _open(self) -> Link:
        return self._open_link(time.monotonic() + self._timeout)

    def _disconnect(self) -> None:
        self._waiting.close()
        if self._link:
            self._link.close()
            self._link = None

    def _queue_keys(self) -> list[str]:
        found = []
        for keys in self._queues:
            lists = (keys.lists[code] for code in self._layout.order)
            found += [keys.delayed, keys.inflight(self.id), *lists]
        return found


def read_element(raw: bytes, queue: str, receipt: int) -> Delivery:
    """A delivery from what the store keeps; the code in the receipt says in which form."""
    attempt = 1
    if receipt % 32 == REDO:
        head, _, message = raw[3:].partition(b"\0")
        attempt, raw = int(head), message
    return Delivery(unpack(raw), queue, receipt, attempt, len(raw))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
