"""Wait for results over one connection for all threads of a process.

RESP3 lets one connection subscribe and ask: `SUBSCRIBE` and `MGET` go out in one write, so a result that
came before the subscription is in the answer, and one that comes after it is pushed. Nothing is missed. One of
the threads that wait reads for all of them; when it leaves, another goes on.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import hiredis

from tq.errors import TQError
from tq_redis.connect import Connector
from tq_redis.link import Down, Link, Refused, pack
from tq_redis.polling import Poller

Ready = Callable[[str, bytes], bool]
"""Called with a channel and a document: whether it is final. May raise; the waiting thread gets it."""
_SLICE = 256
_KEPT = 16384
"""Most channels that stay subscribed between waits: the results of a group come in one wait after the other."""
_SILENCE = 5.0
"""Seconds after which a silent connection is asked whether it lives, and after as many more is given up."""


class _Waiter:
    """One call of `wait`."""

    def __init__(self, channels: Sequence[str], ready: Ready) -> None:
        self.channels = frozenset(channels)
        self._ready = ready
        self.found: list[str] = []
        self.error: Exception | None = None
        self.turn = threading.Event()
        """Set when there is something to do: a result, an error, or the reading itself."""

    @property
    def done(self) -> bool:
        return bool(self.found or self.error)

    def offer(self, channel: str, raw: bytes) -> None:
        """Take a document. What goes wrong with it belongs to the thread that waits, not to the one that reads."""
        try:
            if self._ready(channel, raw):
                self.found.append(channel)
        except TQError as exc:
            self.error = exc
        if self.done:
            self.turn.set()


class Subscription:
    """The one connection; made when first needed, and made anew when it breaks."""

    def __init__(self, connector: Connector, timeout: float) -> None:
        self._connector = connector
        self._timeout = timeout
        self._reset()

    def wait(self, channels: Sequence[str], ready: Ready, until: float) -> None:
        """Return when a document of one of the channels was final, or at that moment.

        Raises `Down` and `Refused`, and what `ready` raises.
        """
        if self._pid != os.getpid():
            self.after_fork()
        for last in (False, True):
            waiter = _Waiter(channels, ready)
            try:
                self._join(waiter)
                self._stay(waiter, until)
            finally:
                self._leave(waiter)
            # A connection that broke is made anew once; one that cannot be made is an error.
            if waiter.error and (last or not isinstance(waiter.error, Down)):
                raise waiter.error
            if not waiter.error:
                return

    def forget(self, channels: Sequence[str]) -> None:
        """Do not answer from memory what was removed."""
        with self._lock:
            for channel in channels:
                if channel in self._watched:
                    self._watched[channel] = None
                    self._stale.add(channel)

    def close(self) -> None:
        """Close the connection; threads that still wait get `Down`."""
        with self._lock:
            self._drop(Down("the backend was closed", sent=False))

    def after_fork(self) -> None:
        """Forget the parent's connection, of which the socket stays open in the parent."""
        inherited = self._link
        self._reset()
        if inherited:
            inherited.close()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        """Guards all fields, and every use of the link but poll."""
        self._link: Link | None = None
        self._waiters: list[_Waiter] = []
        self._reader: _Waiter | None = None
        self._watched: dict[str, bytes | None] = {}
        """What is subscribed, oldest first, and the newest document that came."""
        self._stale: set[str] = set()
        """What is subscribed, and nobody needs any more."""
        self._asked: deque[tuple[str, ...]] = deque()
        """Channels of each MGET whose answer is on its way; nothing for a PING."""
        self._pinged = False

    def _join(self, waiter: _Waiter) -> None:
        with self._lock:
            self._waiters.append(waiter)
            try:
                if self._link is None:
                    self._link = self._open()
                self._subscribe(waiter)
            except (Down, Refused) as exc:
                self._drop(exc)

    def _open(self) -> Link:
        until = time.monotonic() + self._timeout
        link = self._connector.open(until)
        (greeting,) = link.call(pack((b"HELLO", 3)), 1, until)
        if isinstance(greeting, Refused):
            link.close()
            raise greeting
        return link

    def _subscribe(self, waiter: _Waiter) -> None:
        self._tidy(waiter)
        for channel in waiter.channels:
            known = self._watched.get(channel)
            if known is not None:
                waiter.offer(channel, known)
        new = [channel for channel in waiter.channels if channel not in self._watched]
        for at in range(0, len(new), _SLICE):
            part = tuple(new[at : at + _SLICE])
            self._send(pack((b"SUBSCRIBE", *part)) + pack((b"MGET", *part)))
            self._asked.append(part)
            self._watched.update(dict.fromkeys(part))

    def _tidy(self, waiter: _Waiter) -> None:
        """Let go of what was handed out, and of the oldest where there is too much."""
        others = frozenset[str]().union(*(each.channels for each in self._waiters if each is not waiter))
        excess = len(self._watched) - _KEPT
        if excess > 0:
            unwanted = (each for each in self._watched if each not in others)
            self._stale.update(islice(unwanted, excess))
        old = [channel for channel in self._stale if channel not in others]
        self._stale.clear()
        for channel in old:
            self._watched.pop(channel, None)
        gone = [channel for channel in old if channel not in waiter.channels]
        if gone:
            self._send(pack((b"UNSUBSCRIBE", *gone)))

    def _send(self, data: bytes) -> None:
        if self._link is None:
            raise Down("the connection broke", sent=False)
        self._link.send(data, time.monotonic() + self._timeout)

    def _stay(self, waiter: _Waiter, until: float) -> None:
        while not waiter.done and (left := until - time.monotonic()) > 0:
            with self._lock:
                # The last reader may have found this result just before it left: then there is nothing to read.
                if waiter.done:
                    return
                if self._reader is None:
                    self._reader = waiter
                link = self._link if self._reader is waiter else None
            if link is not None:
                self._read(link, min(left, _SILENCE))
            else:
                waiter.turn.wait(left)
                waiter.turn.clear()

    def _read(self, link: Link, seconds: float) -> None:
        heard = Poller((link.fileno(),)).readable(seconds)
        with self._lock:
            if self._link is not link:
                return
            try:
                if heard:
                    self._pinged = False
                    for reply in link.replies():
                        self._take(reply)
                elif seconds == _SILENCE:
                    self._ping()
            except (Down, Refused) as exc:
                self._drop(exc)

    def _ping(self) -> None:
        if self._pinged:
            raise Down("no answer in time", sent=False)
        self._send(pack((b"PING",)))
        self._asked.append(())
        self._pinged = True

    def _take(self, reply: Any) -> None:
        if isinstance(reply, Refused):
            raise reply
        if isinstance(reply, hiredis.PushNotification):
            if reply[0] == b"message":
                self._offer(reply[1].decode(), reply[2])
            return
        for channel, raw in zip(self._asked.popleft(), reply, strict=False):
            if raw is not None:
                self._offer(channel, raw)

    def _offer(self, channel: str, raw: bytes) -> None:
        if channel in self._watched:
            self._watched[channel] = raw
        for waiter in self._waiters:
            if channel in waiter.channels:
                waiter.offer(channel, raw)

    def _leave(self, waiter: _Waiter) -> None:
        with self._lock:
            self._waiters.remove(waiter)
            self._stale.update(waiter.found or waiter.channels)
            if self._reader is waiter:
                self._reader = None
            if self._reader is None:
                # Who is told may be about to leave too, having its result; then it tells the next one here.
                for other in self._waiters[:1]:
                    other.turn.set()

    def _drop(self, error: Exception) -> None:
        """The connection is gone: everybody who waits learns it."""
        if self._link:
            self._link.close()
        self._link = self._reader = None
        self._watched.clear()
        self._stale.clear()
        self._asked.clear()
        self._pinged = False
        for waiter in self._waiters:
            waiter.error = waiter.error or error
            waiter.turn.set()
