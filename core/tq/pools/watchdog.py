"""The thread that raises soft time limits in other threads."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from tq.pools.thread_seat import ThreadSeat


class Watchdog:
    """Sleeps until the next soft deadline. Costs nothing while no body has one."""

    def __init__(self) -> None:
        self._seats: Sequence[ThreadSeat] = ()
        self.asleep_until = math.inf
        """The `time.monotonic()` at which it looks again."""
        self._ended = False
        # Its `put` is one C call that neither blocks nor breaks when an exception arrives.
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()

    def start(self, seats: Sequence[ThreadSeat]) -> None:
        """Watch these seats from now on."""
        self._seats = seats
        threading.Thread(target=self._run, name="tq-watchdog", daemon=True).start()

    def expect(self, deadline: float) -> None:
        """See `Watch.expect`: wakes the watchdog only if it would sleep past this deadline."""
        if deadline < self.asleep_until:
            self._bell.put(None)

    def end(self) -> None:
        """Watch no more."""
        self._ended = True
        self._bell.put(None)

    def _run(self) -> None:
        while not self._ended:
            self._visit_all()
            timeout = (
                None if self.asleep_until == math.inf else max(self.asleep_until - time.monotonic(), 0.0)
            )
            with suppress(queue.Empty):
                self._bell.get(timeout=timeout)

    def _visit_all(self) -> None:
        # Whoever begins while we look cannot know whether we saw it, and so rings.
        self.asleep_until = math.inf
        now = time.monotonic()
        for seat in self._seats:
            seat.visit(now)
        self.asleep_until = min((due for seat in self._seats if (due := seat.due())), default=math.inf)
