"""Sends events from one process: collected, written in batches by a thread of its own, dropped when nobody takes them."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import Any, Final

from tq.errors import BrokerError, EncodeError
from tq.events.clock import Clock
from tq.events.event import Event, Written, encoded, message_of, messages, utc_offset, written
from tq.events.steps import Teller, Way
from tq.records import Message

logger = logging.getLogger("tq.events")

Publish = Callable[[Sequence[tuple[str, Message]]], None]
"""Takes routing keys and messages; raises `BrokerError`."""

MOST_WAITING: Final = 10_000
"""Events that wait in one process; beyond it the oldest are dropped."""
AT_ONCE: Final = 1000
"""So many do not wait for others; each may be a task's way, of which three events are made."""
SOME: Final = 50
"""So many do not wait where nothing else is to do."""
EVERY: Final = 0.2
"""Seconds that an event waits for others at most."""
LONGEST: Final = 5.0
"""Seconds until the thread looks by itself."""
PAUSE: Final = 2.0
"""Seconds until the next attempt, when the broker was away."""
COMPLAIN: Final = 60.0
"""Seconds between two lines in the log about dropped events."""


class Dispatcher:
    """`send` and `add` never wait for the broker and never raise; `add` takes a fraction of a microsecond.

    `guard` is held while the broker is talked to. Its thread starts with the first event; a forked child needs a
    dispatcher of its own.
    """

    def __init__(
        self,
        publish: Publish,
        *,
        hostname: str,
        clock: Clock,
        most: int = MOST_WAITING,
        every: float = EVERY,
        guard: AbstractContextManager[Any] | None = None,
    ) -> None:
        self.hostname = hostname
        self.clock = clock
        self.dropped = 0
        """Events that nobody will see."""
        self.sent = 0
        self.pid: Final = os.getpid()
        self.offset: Final = utc_offset()
        self.next_number = count(self.clock.forward(), 2).__next__
        """The clock of this process, which meets that of the others at each flush: every event would be dear."""
        self._publish = publish
        self._teller = Teller(hostname, self.offset, self.pid)
        self._every = every
        self._guard = guard or nullcontext()
        self._waiting: deque[Written | Way] = deque(maxlen=most)
        self._enough = min(AT_ONCE, most)
        self._some = threading.Event()
        self._many = threading.Event()
        self._rests = True
        """Whether the thread waits for a first event. Not `Event.is_set`, which would cost as much as an event."""
        self._hurries = False
        """Whether the thread was told to send at once."""
        self._flushing = threading.Lock()
        """Whose events were told to somebody else would be told twice."""
        self._thread: threading.Thread | None = None
        self._ended = False
        self._complained = -COMPLAIN
        self._told = 0

    def send(self, type: str, **fields: Any) -> None:
        """Have an event sent soon; the fields of the protocol are added."""
        self.put(self.event(type, fields))

    def event(self, type: str, fields: dict[str, Any]) -> Event:
        """The whole event."""
        return {
            "type": type,
            "hostname": self.hostname,
            "utcoffset": self.offset,
            "pid": self.pid,
            "clock": self.next_number(),
            "timestamp": time.time(),
            **fields,
        }

    def put(self, event: Event) -> None:
        """Have it sent soon; where too many wait, the oldest is dropped."""
        try:
            ready = written(event)
        except EncodeError as exc:
            self.dropped += 1
            logger.warning("the event %.100r is dropped: %s", event, exc)
            return
        self.add(ready)

    def add(self, ready: Written | Way) -> None:
        """The same for what is ready to be sent."""
        waiting = self._waiting
        if len(waiting) >= self._enough:
            self.dropped += len(waiting) == waiting.maxlen
            self._hurry()
        waiting.append(ready)
        if self._rests:
            self._wake()

    def pause(self) -> None:
        """This process waits for a server next, so its interpreter is free for a while."""
        if len(self._waiting) >= SOME:
            self._hurry()

    def send_now(self, type: str, **fields: Any) -> None:
        """Send one event and wait for the broker. Raises `BrokerError`, and `EncodeError`."""
        event = self.event(type, fields)
        with self._guard:
            self._publish([(type.replace("-", "."), message_of(encoded(event), self.hostname))])
        self.sent += 1

    def flush(self) -> bool:
        """Write what waits; False: the broker did not take it, and it goes on waiting."""
        with self._flushing:
            return self._flush()

    def _flush(self) -> bool:
        # Nobody else takes any out: what is appended to a full deque drops one, and leaves their number as it is.
        take = self._waiting.popleft
        taken = [take() for _ in range(len(self._waiting))]
        if not taken:
            return True
        self.next_number = count(self.clock.adjust(self.next_number()), 2).__next__
        events = self._teller.events(taken, self.next_number, time.time() - time.monotonic())
        batches = messages(events, self.hostname)
        try:
            with self._guard:
                self._publish(batches)
        except BrokerError as exc:
            self._keep(events)
            self._complain(f"events wait, the broker does not take them: {exc}")
            return False
        self.sent += len(events)
        if self.dropped > self._told:
            self._complain("events come faster than they can be sent")
        return True

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits, and end the thread; what cannot be written within `timeout` seconds is dropped."""
        self._ended = True
        self._some.set()
        self._many.set()
        if self._thread is not None:
            self._thread.join(timeout)
        else:
            self.flush()

    # -- the thread ----------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tq-events", daemon=True)
            self._thread.start()
        self._rests = False
        self._some.set()

    def _hurry(self) -> None:
        # Once: to set what is set already costs more than an event.
        if not self._hurries:
            self._hurries = True
            self._many.set()

    def _run(self) -> None:
        pause = self._every
        while not self._ended:
            # An exception that is thrown into a body may arrive in the middle of `set`, hence the limits.
            self._some.wait(LONGEST)
            self._many.wait(pause)
            self._some.clear()
            self._many.clear()
            self._hurries = False
            self._rests = True
            pause = self._every
            if not self._flush_safely():
                self._some.set()
                pause = PAUSE
        self._flush_safely()

    def _flush_safely(self) -> bool:
        try:
            return self.flush()
        except Exception:
            logger.exception("the thread of events goes on after an unexpected error")
            return True

    # -- parts ---------------------------------------------------------------------------------------------

    def _keep(self, events: list[Written]) -> None:
        """Put them back in front of what came since; for the oldest there may be no room any more."""
        assert self._waiting.maxlen is not None
        room = max(self._waiting.maxlen - len(self._waiting), 0)
        self.dropped += max(len(events) - room, 0)
        self._waiting.extendleft(reversed(events[-room:] if room else []))

    def _complain(self, what: str) -> None:
        now = time.monotonic()
        if now - self._complained >= COMPLAIN:
            self._complained = now
            self._told = self.dropped
            logger.warning("%s; %d were dropped so far", what, self.dropped)
