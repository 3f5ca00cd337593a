"""One channel of a connection: calls with answers, deliveries, confirms."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tq_amqp.protocol import methods as m
from tq_amqp.protocol.alike import Alike
from tq_amqp.protocol.failures import Down, Refused
from tq_amqp.protocol.incoming import Incoming, Returned
from tq_amqp.protocol.table import read_short

if TYPE_CHECKING:
    from tq_amqp.protocol.wire import Wire

_HEAD = struct.Struct(">HH")
_SIZE = struct.Struct(">Q")
_CONTENT = frozenset({m.BASIC_DELIVER, m.BASIC_RETURN, m.BASIC_GET_OK})


class Channel:
    """See the module's text. Whoever owns the wire owns its channels."""

    def __init__(self, wire: Wire, number: int) -> None:
        self.wire = wire
        self.number = number
        self.deliveries: deque[Incoming] = deque()
        self.returned: list[Returned] = []
        self.empty = 0
        """How many `get` found nothing."""
        self.cancelled: set[str] = set()
        """Consumers that the server ended, because their queue is gone."""
        self.closed: Refused | None = None
        self.on_confirm: Callable[[int, bool, bool], None] | None = None
        """Told the tag, whether all before it are meant too, and whether the server took them."""
        self._replies: list[bytes] = []
        self._method: m.Method | None = None
        self._args = b""
        self._properties: bytes | None = None
        self._missing = 0
        self._chunks: list[bytes] = []

    def send(self, payload: bytes) -> None:
        """Write a method that has no answer."""
        self.wire.frame(1, self.number, payload)

    def send_content(self, payload: bytes, properties: bytes, body: bytes) -> None:
        """Write a method with a message."""
        self.wire.content(self.number, payload, properties, body)

    def call(self, payload: bytes, until: float) -> bytes:
        """Write a method and wait for its answer; the answer's arguments. Raises `Refused`, `Down`."""
        return self.calls((payload,), until)[0]

    def calls(self, payloads: Sequence[bytes], until: float) -> list[bytes]:
        """Several at once. Where the server refuses one, those after it had no effect."""
        if self.closed is not None:
            raise self.closed
        replies: list[bytes] = []
        self._replies = replies
        for payload in payloads:
            self.send(payload)
        done = self.wire.pump(lambda: len(replies) >= len(payloads) or self.closed is not None, until)
        if self.closed is not None:
            raise self.closed
        if not done:
            raise Down("the server did not answer in time")
        return replies

    def get(self, queue: str, count: int, until: float) -> list[Incoming]:
        """Take up to `count` messages out of a queue. Raises `Refused`, `Down`."""
        self.empty = 0
        for _ in range(count):
            self.send(m.get(queue))
        answered = self.wire.pump(
            lambda: len(self.deliveries) + self.empty >= count or self.closed is not None, until
        )
        if self.closed is not None:
            raise self.closed
        if not answered:
            raise Down("the server did not answer in time")
        taken = list(self.deliveries)
        self.deliveries.clear()
        return taken

    def expect(self, until: float) -> bytes:
        """Wait for a method that the server sends by itself."""
        if not self.wire.pump(lambda: bool(self._replies), until):
            raise Down("the server did not answer in time")
        return self._replies[0]

    def close(self, until: float) -> None:
        """Close; what was delivered here and not settled goes back to its queue."""
        if self.closed is None:
            self.call(m.close(m.CHANNEL_CLOSE), until)
            self.wire.channels.pop(self.number, None)

    # -- from the wire -------------------------------------------------------------------------------------

    def feed(self, kind: int, payload: bytes) -> None:
        """Take one frame."""
        if kind == 1:
            self._on_method(_HEAD.unpack_from(payload), payload[4:])
        elif kind == 2:
            (self._missing,) = _SIZE.unpack_from(payload, 4)
            self._properties = payload[12:]
            self._chunks = []
            if not self._missing:
                self._complete()
        elif kind == 3:
            self._chunks.append(payload)
            self._missing -= len(payload)
            if self._missing <= 0:
                self._complete()

    def _on_method(self, method: tuple[int, ...], args: bytes) -> None:
        numbers = (method[0], method[1])
        if numbers in _CONTENT:
            self._method, self._args = numbers, args
        elif numbers in (m.BASIC_ACK, m.BASIC_NACK):
            tag, multiple = m.read_confirm(args)
            if self.on_confirm is not None:
                self.on_confirm(tag, multiple, numbers == m.BASIC_ACK)
        elif numbers == m.BASIC_GET_EMPTY:
            self.empty += 1
        elif numbers == m.BASIC_CANCEL:
            self.cancelled.add(read_short(args, 0)[0])
        elif numbers == m.CHANNEL_CLOSE:
            code, text = m.read_close(args)
            self.closed = Refused(code, text)
            self.send(m.method(m.CHANNEL_CLOSE_OK))
            self.wire.channels.pop(self.number, None)
        else:
            self._replies.append(args)

    def _complete(self) -> None:
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        method, self._method = self._method, None
        properties, self._properties = self._properties, None
        if properties is None:
            raise ValueError("a body without a header")
        if method == m.BASIC_DELIVER:
            consumer, tag, again, exchange, key = m.read_delivered(self._args)
            incoming = Incoming(consumer, tag, again, exchange, key, properties, body)
            self.deliveries.append(incoming)
            self.wire.alike = Alike(self.number, self._args, incoming, self.deliveries)
        elif method == m.BASIC_GET_OK:
            tag, again, exchange, key = m.read_got(self._args)
            self.deliveries.append(Incoming("", tag, again, exchange, key, properties, body))
        elif method == m.BASIC_RETURN:
            code, text, exchange, key = m.read_returned(self._args)
            self.returned.append(Returned(code, text, exchange, key, properties, body))
        else:
            raise ValueError("a header without a method")
