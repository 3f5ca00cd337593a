"""Notices a child that lives and does not work any more: its engine has stopped coming round.

An engine comes round each time it asks for messages, some seconds apart at most, unless a body runs or a server
is away. One that does neither, and does not come round, hangs: in a lock that it inherited, in a library, in a
stopped process. Its supervisor keeps its lease alive, so without this what it holds would never come back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tq.contracts.pool import Pool, Pulse, Seat
from tq.errors import BackendError
from tq.worker.link import Stores

logger = logging.getLogger("tq.worker")

SHORTEST = 30.0
"""Seconds of silence at least."""
LEASES = 3
"""Leases of silence at least."""
LOOKS = 10
"""Looks at each seat within that time: what nobody looked at does not count as silence."""


@dataclass(slots=True)
class _Silence:
    """What a seat showed, and at how many looks in a row it was the same."""

    seat: Any
    shown: tuple[float, int]
    looks: int = 0


class Watchdog:
    """`look` is called about each second; `trouble` when a server did not answer. `period`: seconds."""

    def __init__(
        self,
        pool: Pool,
        stores: Stores,
        *,
        period: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._stores = stores
        self._period = period or max(SHORTEST, LEASES * stores.lease)
        self._clock = clock
        self._looked = clock()
        self._silences: dict[int, _Silence] = {}
        self._stuck: list[_Silence] = []

    def stuck(self) -> str | None:
        """Who hangs and cannot be replaced: only a restart of the worker helps. None: nobody. From any thread."""
        for each in self._stuck:
            if each.seat.receipt < 0 and _shown(each.seat) == each.shown:
                return f"consumer {each.seat.consumer_id or '?'} neither runs nor asks for anything"
        return None

    def trouble(self) -> None:
        """A server is away: whoever waits for it is excused."""
        self._silences.clear()

    def look(self) -> None:
        """Look at each seat when it is time to, and have those replaced that were silent all the time."""
        now = self._clock()
        since, every = now - self._looked, self._period / LOOKS
        if since < every:
            return
        self._looked = now
        if since > 3 * every:
            # This process was stopped itself, and its children may have been as well.
            self._silences.clear()
        self._listen()
        silent = [each for each in self._silences.values() if each.looks >= LOOKS]
        if silent and self._results_answer():
            self._stuck = [each for each in silent if not self._replace(each.seat)]

    def _listen(self) -> None:
        heard: dict[int, _Silence] = {}
        for seat in self._pool.seats():
            if not isinstance(seat, Pulse) or seat.receipt >= 0:
                continue
            shown = _shown(seat)
            before = self._silences.get(id(seat))
            if before is None or before.seat is not seat or before.shown != shown:
                heard[id(seat)] = _Silence(seat, shown)
            else:
                before.looks += 1
                heard[id(seat)] = before
        self._silences = heard

    def _results_answer(self) -> bool:
        """Whether results can be stored now; an engine waits for that as long as it takes."""
        backend = self._stores.backend
        if backend is None:
            return True
        try:
            backend.get(["tq-watchdog"])
        except BackendError:
            self.trouble()
            return False
        return True

    def _replace(self, seat: Seat) -> bool:
        del self._silences[id(seat)]
        name = seat.consumer_id or "which has not registered yet"
        if self._pool.replace(seat):
            logger.error(
                "consumer %s has neither run nor asked for anything for %g s: its process is replaced, and what it "
                "held goes back",
                name,
                self._period,
            )
            return True
        logger.error(
            "consumer %s has neither run nor asked for anything for %g s, and this pool cannot replace it: "
            "send USR1 to see where it hangs, and restart the worker",
            name,
            self._period,
        )
        return False


def _shown(seat: Any) -> tuple[float, int]:
    """What moves while a seat with a pulse works."""
    return seat.came_round, seat.finished
