"""When the server may send ahead: while a consumer works through full batches within milliseconds.

Between two subscriptions the server waits for the worker, and the worker for the server. A flow is one that stands:
half of what it lends is worked on, the other half is on its way. It lends no more than one batch would be; what nobody
has asked for after `PATIENCE` goes back, so that nothing waits behind a long body.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

QUICK = 0.03
"""Seconds for a batch."""
PATIENCE = 0.25
"""Seconds that what was sent ahead waits at most: engines that see a long body end the flow themselves, and sooner."""
LEAST = 16
"""Batches of fewer are no sign that tasks are short."""
PAUSE = 0.003
"""Seconds to wait for half a batch."""
DRY = 0.1
"""Seconds without any message before a flow is taken to have run dry: a busy server pauses for some ten milliseconds now
and then, and would answer a cancellation as late."""


class Pace:
    """How fast batches come back."""

    def __init__(self) -> None:
        self.turns = 0
        """Batches that were handed out."""
        self._full = False
        self._size = 0
        self._at = 0.0
        self._thin = False

    def goes_on(self, there: int, portion: int) -> bool:
        """Whether a flow is worth keeping, of which so many came in time: not when nothing did, or too little again."""
        again, self._thin = self._thin, there < min(portion, LEAST)
        return there > 0 and not (self._thin and again)

    def handed_out(self, count: int, *, full: bool) -> None:
        """Another batch was; `full`: there were as many as were asked for, all of them in the first queue."""
        self.turns += 1
        self._full = full
        self._size = count
        self._at = time.monotonic()

    def is_quick(self, settled: int) -> bool:
        """Whether so many settlements, now, mean that the last batch took no time."""
        return settled * 2 >= self._size >= 1 and time.monotonic() - self._at < QUICK

    def wants_flow(self, settled: int, limit: int) -> bool:
        """Whether the next batch should come through a flow."""
        return self._full and limit >= LEAST <= self._size and self.is_quick(settled)


def watch(pace: Pace, turn_back: Callable[[int], bool]) -> None:
    """Look on a thread whether what is ahead is still asked for; `turn_back` gives it back unless `turns` has changed
    since, and says whether nothing is ahead any more."""

    def look() -> None:
        ended = False
        while not ended:
            seen = pace.turns
            time.sleep(PATIENCE)
            ended = turn_back(seen)

    threading.Thread(target=look, name="tq-amqp-flow", daemon=True).start()
