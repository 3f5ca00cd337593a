"""Listeners: one connection each, in pub/sub or waiting for a list."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from tq.contracts.subscription import Subscription
from tq.records import Heard, Message
from tq.wire.envelope import unpack
from tq_redis.link import Down, Link, Refused, pack
from tq_redis.polling import Poller
from tq_redis.server import Server
from tq_redis.waiting import Bell

SILENCE: Final = 15.0
"""Seconds after which a silent connection is asked whether it lives."""
_HOLD: Final = 5.0
"""Seconds that the server waits at a list, at most."""
_GRACE: Final = 5.0
"""Seconds that an answer may take."""
_DOING: Final = "listen"


class RedisSubscription(Subscription):
    """Connects when it is made, and again in the first `receive` after the connection broke."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._bell = Bell()
        self._heard: deque[Heard] = deque()
        """Read already, not yet handed out; no more than one read."""
        self._link: Link | None = None
        self._closed = False
        self._trying(self._connected)

    def receive(self, limit: int, wait: float) -> Sequence[Heard]:
        if not self._heard:
            self._trying(lambda: self._listen(limit, time.monotonic() + wait))
        return [self._heard.popleft() for _ in range(min(limit, len(self._heard)))]

    def interrupt(self) -> None:
        self._bell.ring()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._disconnect()
            self._bell.close()

    # -- of each kind --------------------------------------------------------------------------------------

    @abstractmethod
    def _open(self, link: Link) -> None:
        """Begin to listen on a new connection."""

    @abstractmethod
    def _ask(self, link: Link, limit: int, seconds: float) -> float:
        """Called before each wait; the moment at which something must have come."""

    @abstractmethod
    def _take(self, reply: Any) -> Sequence[Heard]:
        """What one reply of the server says."""

    # -- parts ---------------------------------------------------------------------------------------------

    def _listen(self, limit: int, until: float) -> None:
        link = self._connected()
        poller = Poller((link.fileno(), self._bell.fileno()))
        while not self._heard:
            left = until - time.monotonic()
            late = self._ask(link, limit, left)
            pause = min(left, late - time.monotonic())
            ready = poller.readable(max(pause, 0.0))
            if self._bell.fileno() in ready:
                self._bell.hush()
                return
            if link.fileno() in ready:
                for reply in link.replies():
                    self._heard.extend(self._take(reply))
            elif time.monotonic() >= late:
                raise Down("no answer in time", sent=True)
            if time.monotonic() >= until:
                return

    def _connected(self) -> Link:
        if self._link is None:
            link = self._server.connector.open(self._server.until())
            try:
                self._open(link)
            except BaseException:
                link.close()
                raise
            self._link = link
        return self._link

    def _disconnect(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _trying(self, call: Callable[[], object]) -> None:
        try:
            call()
        except (Down, Refused) as exc:
            self._disconnect()
            raise self._server.fail(exc, _DOING) from exc
        except BaseException:
            # The next answer would be taken for this one.
            self._disconnect()
            raise


class ChannelSubscription(RedisSubscription):
    """Hears what is published where `commands` subscribe to: a channel, or channels of a pattern, of which `hears`
    wants some."""

    def __init__(self, server: Server, *commands: bytes, hears: Callable[[str], bool] | None = None) -> None:
        self._commands = commands
        self._hears = hears
        self._alive = 0.0
        self._asked = False
        super().__init__(server)

    def _open(self, link: Link) -> None:
        commands = self._commands
        for reply in link.call(b"".join(commands), len(commands), time.monotonic() + _GRACE):
            if isinstance(reply, Refused):
                raise reply
        self._alive, self._asked = time.monotonic(), False

    def _ask(self, link: Link, limit: int, seconds: float) -> float:
        if not self._asked and time.monotonic() > self._alive + SILENCE:
            self._alive, self._asked = time.monotonic(), True
            link.send(pack((b"PING",)), time.monotonic() + _GRACE)
        return self._alive + (_GRACE if self._asked else SILENCE + _GRACE)

    def _take(self, reply: Any) -> Sequence[Heard]:
        self._alive, self._asked = time.monotonic(), False
        if not isinstance(reply, list) or reply[0] not in (b"message", b"pmessage"):
            return ()
        message = unpack(reply[-1])
        routing_key = _routing_key(message)
        return [Heard(message, routing_key)] if self._hears is None or self._hears(routing_key) else ()


class ReplySubscription(RedisSubscription):
    """Takes from a list. `bind` are the commands that make it known to kombu, `unbind` those that undo it."""

    def __init__(self, server: Server, key: str, bind: Sequence[bytes], unbind: Sequence[bytes]) -> None:
        self._key = key
        self._bind, self._unbind = bind, unbind
        self._owed = 0
        self._late = 0.0
        super().__init__(server)

    def close(self) -> None:
        if not self._closed:
            self._leave()
        super().close()

    def _open(self, link: Link) -> None:
        for reply in link.call(b"".join(self._bind), len(self._bind), time.monotonic() + _GRACE):
            if isinstance(reply, Refused):
                raise reply
        self._owed = 0

    def _ask(self, link: Link, limit: int, seconds: float) -> float:
        if not self._owed:
            hold = min(max(seconds, 0.01), _HOLD)
            self._late = time.monotonic() + hold + _GRACE
            # The look leaves the list as it is: what is taken is in the answer to RPOP, which is always read.
            look = pack((b"BLMOVE", self._key, self._key, b"RIGHT", b"RIGHT", f"{hold:.3f}"))
            self._owed = 2
            link.send(look + pack((b"RPOP", self._key, limit)), self._late)
        return self._late

    def _take(self, reply: Any) -> Sequence[Heard]:
        self._owed -= 1
        if isinstance(reply, Refused):
            raise reply
        if self._owed or reply is None:
            return ()
        messages = [unpack(raw) for raw in reply]
        return [Heard(message, _routing_key(message)) for message in messages]

    def _leave(self) -> None:
        """Leave nothing on the server; where that is gone, kombu sweeps up, and the list expires."""
        commands = [pack((b"DEL", self._key)), *self._unbind]
        try:
            self._server.pool.call(b"".join(commands), len(commands), time.monotonic() + 1.0)
        except (Down, Refused):
            return


def _routing_key(message: object) -> str:
    if not isinstance(message, Message):
        return ""
    info = message.properties.get("delivery_info")
    found = info.get("routing_key") if isinstance(info, dict) else ""
    return found if isinstance(found, str) else ""
