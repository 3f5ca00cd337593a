"""Wait for messages without taking any: the server holds the answer back until there is something.

For each queue one connection waits in `BLMOVE queue queue LEFT LEFT`, which looks at a list and leaves it as
it is. The request for messages stands behind it in the same write, so they come without a second round
trip. The first connection also listens to the channels of the queues, for what does not lie in plain lists.
"""

from __future__ import annotations

import contextlib
import enum
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import hiredis

from tq_redis.keys import QueueKeys
from tq_redis.link import Down, Link, Refused, pack
from tq_redis.polling import Poller

TICK = 1.0
"""Seconds after which a consumer that waits looks into lists that nothing announces: kombu's priorities."""
_GRACE = 2.0
"""Seconds that the server may be late; it looks after clients that wait ten times a second."""


class Bell:
    """A pipe that ends a wait. Its ring is safe in signal handlers."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)

    def fileno(self) -> int:
        """For poll."""
        return self._out

    def ring(self) -> None:
        """Make the wait end, also one that begins later."""
        # A pipe that is full rings already, and behind a closed one nobody waits.
        with contextlib.suppress(OSError):
            os.write(self._in, b".")

    def hush(self) -> None:
        """Forget all rings until now."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._out, 512):
                continue

    def close(self) -> None:
        """Close both ends once."""
        if self._out >= 0:
            ends, self._in, self._out = (self._in, self._out), -1, -1
            for end in ends:
                os.close(end)


class Wake(enum.Enum):
    """Why a wait ended."""

    ANSWER = "a request was run; see `Waiting.answer`"
    LOOK = "there is something, and no request was there to take it"
    AGAIN = "a connection is free to wait again"
    TIME = "the time is over"
    RUNG = "the bell was rung"


class _Watch:
    """One connection, and the answers that it still owes: the look, and the messages."""

    def __init__(self, keys: QueueKeys, link: Link) -> None:
        self.keys = keys
        self.link = link
        self.owed = 0
        self.live = False
        self.late = 0.0
        self.look: Any = None


class Waiting:
    """What one consumer waits on. Raises `Down` where a connection breaks."""

    def __init__(self, queues: Sequence[QueueKeys], open_link: Callable[[], Link], bell: Bell) -> None:
        self._queues = queues
        self._open_link = open_link
        self._bell = bell
        self._watches: list[_Watch] = []
        self.listens = False
        """Whether the server tells at once what does not lie in plain lists."""
        self.request = b""
        """The packed request for messages."""
        self.answer: Any = None
        self.troubled = False
        """Whether the server refused to let us look, so that the next wait would end at once."""

    @property
    def live(self) -> bool:
        """Whether a request is on its way that can lend messages."""
        return any(watch.live for watch in self._watches)

    @property
    def idle(self) -> bool:
        """Whether a connection is free to wait."""
        return not self._watches or any(not watch.owed for watch in self._watches)

    def arm(self, seconds: float) -> None:
        """Ask the server to run the request as soon as there is something, or after some seconds."""
        if not self._watches:
            self._open()
        seconds = min(max(seconds, 0.01), TICK)
        until = time.monotonic() + _GRACE
        for watch in self._watches:
            if not watch.owed:
                plain = watch.keys.plain
                look = pack((b"BLMOVE", plain, plain, b"LEFT", b"LEFT", f"{seconds:.3f}"))
                watch.owed, watch.live, watch.late = 2, True, until + seconds
                watch.link.send(look + self.request, until)

    def disown(self) -> None:
        """The requests on their way can lend nothing any more; what they answer is not read."""
        for watch in self._watches:
            watch.live = False

    def wait(self, until: float) -> Wake:
        """Wait until that moment at most. Raises `Down` also where the server stays silent."""
        by_number = {watch.link.fileno(): watch for watch in self._watches}
        poller = Poller((*by_number, self._bell.fileno()))
        while (now := time.monotonic()) < until:
            late = min((watch.late for watch in self._watches if watch.owed), default=until)
            if now > late:
                raise Down("no answer in time", sent=True)
            for number in poller.readable(min(until, late) - now):
                if number not in by_number:
                    self._bell.hush()
                    return Wake.RUNG
                wake = self._hear(by_number[number])
                if wake:
                    return wake
        return Wake.TIME

    def pause(self, seconds: float) -> None:
        """Wait without the server; the bell ends it, and still rings for the wait that follows."""
        Poller((self._bell.fileno(),)).readable(seconds)

    def close(self) -> None:
        """Close the connections."""
        for watch in self._watches:
            watch.link.close()
        self._watches = []

    def _open(self) -> None:
        for keys in self._queues:
            self._watches.append(_Watch(keys, self._open_link()))
        self.listens = self._listen(self._watches[0].link)

    def _listen(self, link: Link) -> bool:
        """Hear the channels beside answers, which RESP3 allows. Without, they are not heard, and what they
        announce comes at the next tick."""
        until = time.monotonic() + _GRACE
        (greeting,) = link.call(pack((b"HELLO", 3)), 1, until)
        if isinstance(greeting, Refused):
            return False
        channels = [keys.wake for keys in self._queues]
        return not any(
            isinstance(reply, Refused)
            for reply in link.call(pack((b"SUBSCRIBE", *channels)), len(channels), until)
        )

    def _hear(self, watch: _Watch) -> Wake | None:
        found: Wake | None = None
        for reply in watch.link.replies():
            if isinstance(reply, hiredis.PushNotification):
                found = found or Wake.LOOK
                continue
            watch.owed -= 1
            if watch.owed:
                watch.look = reply
            elif watch.live:
                watch.live, self.answer, found = False, reply, Wake.ANSWER
                self.troubled = isinstance(watch.look, Refused)
                # The others carry the same running number, which is used up now.
                self.disown()
            elif found is None:
                seen = watch.look is not None and not isinstance(watch.look, Refused)
                found = Wake.LOOK if seen else Wake.AGAIN
        return found
