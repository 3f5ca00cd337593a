"""One connection: bytes out, replies in, every wait bounded.

redis-py makes the connection (TLS, passwords, Sentinel, database) and its high-level commands are left out
after that: they cost tens of microseconds each.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any

import hiredis

from tq.errors import TQError
from tq_redis.polling import Poller

pack: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command
"""One command as Redis reads it."""
_CHUNK = 65536
_MORE = object()
_NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Down(TQError):
    """The connection is gone, or could not be made. `sent`: the server may have acted on the command."""

    def __init__(self, reason: str, *, sent: bool, advice: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.advice = advice


class Refused(TQError):
    """An error reply of the server; it comes as a value, for its neighbours may have succeeded."""

    @property
    def text(self) -> str:
        """What the server said."""
        return str(self.args[0])


class Link:
    """An open connection. Belongs to one thread at a time."""

    def __init__(self, connection: Any) -> None:
        # redis-py has no public name for the socket; this one has been the same since its version 2.
        self._connection = connection
        self._socket = connection._sock
        self._timeout: float | None = None
        """What the socket was told last; telling it is a system call."""
        self._poller = Poller((self.fileno(),))
        self._reader = hiredis.Reader(
            protocolError=lambda text: Down(f"the server does not speak Redis: {text}", sent=True),
            replyError=Refused,
            notEnoughData=_MORE,
        )

    def fileno(self) -> int:
        """For poll."""
        return int(self._socket.fileno())

    def stale(self) -> bool:
        """Whether an idle connection was closed by the server, or has unread bytes and so is out of step."""
        if not self._poller.anything():
            return False
        try:
            # What TLS sends for itself is no answer.
            self._wait(0.0)
            data = self._socket.recv(1)
        except _NOT_NOW:
            return False
        except OSError:
            return True
        return data is not None

    def call(self, data: bytes, replies: int, until: float) -> list[Any]:
        """Send commands and return their replies. Raises `Down`; the connection is closed then."""
        self.send(data, until)
        return [self.read(until) for _ in range(replies)]

    def send(self, data: bytes, until: float) -> None:
        """Send bytes. Raises `Down` with `sent` False: a command of which the end is missing is not run."""
        try:
            self._wait(_left(until))
            self._socket.sendall(data)
        except OSError as exc:
            self.close()
            raise Down(_cause(exc, "sending took too long"), sent=False) from exc

    def read(self, until: float) -> Any:
        """Return the next reply, waiting for it until that moment of the monotonic clock."""
        reply = self._reader.gets()
        while reply is _MORE:
            try:
                self._wait(_left(until))
                data = self._socket.recv(_CHUNK)
            except OSError as exc:
                self.close()
                raise Down(_cause(exc, "no answer in time"), sent=True) from exc
            reply = self._take(data)
        if isinstance(reply, Down):
            self.close()
            raise reply
        return reply

    def replies(self) -> list[Any]:
        """Return the replies that are there, without waiting."""
        found: list[Any] = []
        while True:
            try:
                self._wait(0.0)
                reply = self._take(self._socket.recv(_CHUNK))
            except _NOT_NOW:
                return found
            except OSError as exc:
                self.close()
                raise Down(_cause(exc, "no answer in time"), sent=True) from exc
            while reply is not _MORE:
                found.append(reply)
                reply = self._reader.gets()

    def close(self) -> None:
        """Close the socket; in a forked child the parent's connection goes on."""
        self._connection.disconnect()

    def _wait(self, seconds: float) -> None:
        if seconds != self._timeout:
            self._socket.settimeout(seconds)
            self._timeout = seconds

    def _take(self, data: bytes) -> Any:
        if not data:
            self.close()
            raise Down("the server closed the connection", sent=True)
        self._reader.feed(data)
        return self._reader.gets()


def _left(until: float) -> float:
    # A timeout of 0 would mean "do not wait at all", and a deadline that is over must not look like that.
    left = until - time.monotonic()
    return round(left, 1) if left > 1 else max(left, 0.001)


def _cause(exc: OSError, late: str) -> str:
    return late if isinstance(exc, TimeoutError) else (exc.strerror or str(exc) or type(exc).__name__)
