"""One connection: frames in and out over a socket, driven by whoever waits for something."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from tq.errors import EncodeError
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.alike import Alike
from tq_amqp.protocol.channel import Channel
from tq_amqp.protocol.failures import Down, Refused
from tq_amqp.protocol.table import read_short

_HEAD = struct.Struct(">BHI")
_CONTENT = struct.Struct(">HHQ")
_END = b"\xce"
_MALFORMED = (struct.error, IndexError, ValueError, KeyError)
_HEARTBEAT = _HEAD.pack(8, 0, 0) + _END
_READ = 2**18
_WRITE = 2**18
_CHANNELS = 2**16 - 1


class Wire:
    """Not thread-safe: its owner lets one thread in at a time.

    `heartbeat` in seconds, 0 for none: then a silent connection is no sign of a dead one.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._poll = select.poll()
        self._fd = sock.fileno()
        self._out: deque[bytes] = deque()
        self._in = b""
        self._ended: Down | Refused | None = None
        self._sent = self._received = time.monotonic()
        self._body = 2**17 - 8
        self._next = 0
        self._most = _CHANNELS
        self.heartbeat = 0.0
        self.blocked = ""
        """Why the server takes no publishes at the moment."""
        self.properties: dict[str, Any] = {}
        """What the server said of itself: product, version, ..."""
        self.channels: dict[int, Channel] = {}
        self.control = Channel(self, 0)
        """Methods of the connection itself come here, as replies."""
        self.alike: Alike | None = None
        """What the last delivery that was read frame by frame had in common with others."""
        sock.setblocking(False)

    @property
    def ended(self) -> Down | Refused | None:
        """Why the connection is over, as far as known."""
        return self._ended

    @property
    def quiet(self) -> float:
        """Seconds since the server was heard."""
        return time.monotonic() - self._received

    def tuned(self, heartbeat: float, frame_max: int, channel_max: int) -> None:
        """What both sides agreed on; 0 for no limit."""
        self.heartbeat = heartbeat
        self._most = channel_max or _CHANNELS
        self._body = (frame_max or 2**17) - 8

    def channel(self, until: float) -> Channel:
        """Open a channel. Raises `Down`, `Refused`."""
        number = self._free_number()
        made = Channel(self, number)
        self.channels[number] = made
        # What looks like a delivery on an earlier channel of this number must not go there.
        self.alike = None
        made.call(m.channel_open(), until)
        return made

    def _free_number(self) -> int:
        """The next number that no channel has; after the last they begin anew."""
        for _ in range(self._most):
            self._next = self._next % self._most + 1
            if self._next not in self.channels:
                return self._next
        raise Refused(504, f"all {self._most} channels of this connection are open")

    # -- out -----------------------------------------------------------------------------------------------

    def raw(self, data: bytes) -> None:
        """Write bytes that are no frame."""
        self._out.append(data)

    def frame(self, kind: int, channel: int, payload: bytes) -> None:
        """Write a frame; it goes out with the next `pump`."""
        self._out.append(_HEAD.pack(kind, channel, len(payload)) + payload + _END)

    def content(self, channel: int, payload: bytes, properties: bytes, body: bytes) -> None:
        """Write a method with a message. Raises `EncodeError`."""
        header = _CONTENT.pack(60, 0, len(body)) + properties
        if len(header) > self._body:
            raise EncodeError(
                f"the headers of a message have {len(header)} bytes, and this server takes {self._body} (frame_max)"
            )
        parts = [
            _HEAD.pack(1, channel, len(payload))
            + payload
            + _END
            + _HEAD.pack(2, channel, len(header))
            + header
            + _END
        ]
        for start in range(0, len(body), self._body):
            part = body[start : start + self._body]
            parts += (_HEAD.pack(3, channel, len(part)), part, _END)
        self._out.append(b"".join(parts))

    # -- waiting -------------------------------------------------------------------------------------------

    def pump(self, ready: Callable[[], bool], until: float, *, bell: int = -1) -> bool:
        """Write and read until all is written and `ready` says yes; False when the time is over, or when
        something can be read from the file descriptor `bell`. Looks at the socket at least once.

        Raises `Down` or `Refused` when the connection is over.
        """
        looked = False
        while True:
            self._write()
            if self._ended is not None:
                raise self._ended
            if not self._out and ready():
                return True
            now = time.monotonic()
            if now >= until and looked:
                return False
            looked = True
            if self._wait(max(0.0, until - now), bell):
                return False

    def peek(self) -> None:
        """Read what is there, without waiting. Raises `Down` or `Refused` when the connection is over."""
        self._wait(0.0, -1)
        if self._ended is not None:
            raise self._ended

    def close(self, until: float) -> None:
        """Say goodbye and wait for the answer, after which all that was held here is back in its queues."""
        with contextlib.suppress(Down, Refused, OSError):
            if self._ended is None:
                self.control.call(m.close(m.CONNECTION_CLOSE), until)
        self.drop()

    def drop(self) -> None:
        """Close the socket without a word."""
        self._ended = self._ended or Down("the connection was closed here", sent=False)
        with contextlib.suppress(OSError):
            self._sock.close()

    def _wait(self, seconds: float, bell: int) -> bool:
        """Wait for the socket; True where the bell rang."""
        if self.heartbeat:
            idle = time.monotonic() - self._sent
            if idle >= self.heartbeat / 2:
                self._out.append(_HEARTBEAT)
            seconds = min(seconds, max(0.0, self.heartbeat / 2 - idle))
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            self._read()
            return False
        poll = select.poll()
        poll.register(self._fd, select.POLLIN | (select.POLLOUT if self._out else 0))
        if bell >= 0:
            poll.register(bell, select.POLLIN)
        rung = False
        for fd, event in poll.poll(seconds * 1000):
            if fd == bell:
                rung = True
            elif event & ~select.POLLOUT:
                self._read()
        if self.heartbeat and self.quiet > 2 * self.heartbeat + 1:
            self._end(Down(f"the server was not heard for {self.quiet:.0f} s"))
        return rung

    def _write(self) -> None:
        while self._out and self._ended is None:
            size, parts = 0, list[bytes]()
            while self._out and size < _WRITE:
                parts.append(self._out.popleft())
                size += len(parts[-1])
            data = b"".join(parts) if len(parts) > 1 else parts[0]
            try:
                sent = self._sock.send(data)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                sent = 0
            except OSError as exc:
                # What the server said before it closed may still be there to be read.
                self._out.appendleft(data)
                self._hear_last(exc)
                return
            self._sent = time.monotonic()
            if sent < len(data):
                self._out.appendleft(data[sent:])
                return

    def _hear_last(self, exc: OSError) -> None:
        with contextlib.suppress(OSError):
            while self._ended is None:
                self._read()
        self._end(Down(f"the connection broke: {exc}"))

    def _read(self) -> None:
        try:
            data = self._sock.recv(_READ)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as exc:
            self._end(Down(f"the connection broke: {exc}"))
            return
        if not data:
            self._end(Down("the server closed the connection"))
            return
        self._received = time.monotonic()
        self._parse(self._in + data if self._in else data)

    def _parse(self, data: bytes) -> None:
        at, length = 0, len(data)
        if data.startswith(b"AMQP"):
            self._end(
                Refused(505, f"the server speaks another protocol than AMQP 0-9-1: it says {data[:8]!r}")
            )
            return
        while length - at >= 8:
            if self.alike is not None and (next_at := self.alike.take(data, at)):
                at = next_at
                continue
            kind, channel, size = _HEAD.unpack_from(data, at)
            end = at + 7 + size
            if end >= length:
                break
            if data[end] != 0xCE or not self._understood(kind, channel, data[at + 7 : end]):
                self._end(Down("what the server sent is not AMQP 0-9-1"))
                return
            at = end + 1
        self._in = data[at:]

    def _understood(self, kind: int, channel: int, payload: bytes) -> bool:
        try:
            self._take(kind, channel, payload)
        except _MALFORMED:
            return False
        return True

    def _take(self, kind: int, channel: int, payload: bytes) -> None:
        if channel:
            found = self.channels.get(channel)
            if found is not None:
                found.feed(kind, payload)
        elif kind == 1:
            self._on_control((payload[1], payload[3]), payload)

    def _on_control(self, method: m.Method, payload: bytes) -> None:
        if method == m.CONNECTION_CLOSE:
            code, text = m.read_close(payload[4:])
            self.frame(1, 0, m.method(m.CONNECTION_CLOSE_OK))
            self._write()
            self._end(Refused(code, text))
        elif method == m.CONNECTION_BLOCKED:
            self.blocked = read_short(payload, 4)[0]
        elif method == m.CONNECTION_UNBLOCKED:
            self.blocked = ""
        else:
            self.control.feed(1, payload)

    def _end(self, why: Down | Refused) -> None:
        self._ended = self._ended or why
