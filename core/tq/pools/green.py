"""`GreenPool`: bodies on the greenlets of one thread, whichever library makes them."""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from tq.contracts.pool import ColdStop, Job, Pool, PoolCap, PoolSetup, Seat, StopMode
from tq.pools.green_seat import GreenSeat
from tq.pools.rounds import Rounds

logger = logging.getLogger("tq.pool")

Greenlet = Any
"""As the library makes them."""


class GreenPool(Pool):
    """One engine on the main greenlet, and a greenlet for each body that runs. A driver says how its library starts
    a greenlet, raises in one, and keeps time; and patches the standard library in `prepare`."""

    capabilities = PoolCap.CONCURRENCY | PoolCap.SOFT_LIMIT | PoolCap.TERMINATE

    def __init__(self, setup: PoolSetup) -> None:
        super().__init__(setup)
        self._seats = tuple(GreenSeat(self.arm) for _ in range(setup.concurrency))
        self._running: dict[Seat, tuple[Job, Greenlet]] = {}
        self._loop_turn = threading.Lock()
        """Held by the coroutine body that runs: asyncio knows one running loop in each thread, and none by greenlet."""
        self._engine = Rounds(lambda: setup.slots_engine(self._seats, self._spawn))

    # -- the library's part --------------------------------------------------------------------------------

    @abstractmethod
    def start(self, work: Callable[[], None]) -> Greenlet:
        """Start a greenlet soon."""

    @abstractmethod
    def arm(self, seconds: float, exc: BaseException) -> Callable[[], None]:
        """See `tq.pools.green_seat.Arm`."""

    @abstractmethod
    def call_soon(self, call: Callable[..., None], *args: Any) -> None:
        """Call from the hub, where no greenlet is in the middle of anything but a wait."""

    @abstractmethod
    def throw(self, greenlet: Greenlet, exc: type[BaseException]) -> None:
        """Raise in a greenlet that waits, at once. Called from the hub."""

    @abstractmethod
    def kill_all(self, greenlets: Iterable[Greenlet], exc: type[BaseException]) -> None:
        """Raise in all of these; wait no longer than about a second for their ends."""

    # -- see `Pool` ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """See `Pool.run`."""
        try:
            self._engine.run()
        finally:
            # After a warm stop there are none; after a cold one what they say counts for nothing.
            self.kill_all([greenlet for _, greenlet in self._running.values()], ColdStop)

    def stop(self, mode: StopMode) -> None:
        """See `Pool.stop`. On a greenlet of its own: signal handlers run in the hub as well, where nothing may wait."""
        self.start(partial(self._engine.stop, mode))

    def seats(self) -> Sequence[Seat]:
        """See `Pool.seats`."""
        return self._seats

    def renew(self) -> bool:
        """See `Pool.renew`."""
        self._engine.renew()
        return True

    def terminate(self, seat: Seat, receipt: int, signal: int) -> bool:
        """See `Pool.terminate`; `ColdStop` is raised in the body where it waits, whatever the signal."""
        if seat.receipt != receipt or seat not in self._running:
            return False
        self.call_soon(self._end, seat, receipt)
        return True

    def _end(self, seat: Seat, receipt: int) -> None:
        running = self._running.get(seat)
        if running is not None and seat.receipt == receipt:
            job, greenlet = running
            job.revoke()
            self.throw(greenlet, ColdStop)

    def _spawn(self, job: Job, seat: Seat) -> None:
        self._running[seat] = job, self.start(partial(self._work, job, seat))

    def _work(self, job: Job, seat: Seat) -> None:
        try:
            with self._loop_turn if job.is_coroutine else nullcontext():
                job.run()
        except ColdStop:
            logger.debug("a cold stop came when the body had ended, and before that was settled")
        except Exception:
            logger.exception("a job raised, which it must not; the pool goes on")
        finally:
            # The seat may have its next job already.
            running = self._running.get(seat)
            if running is not None and running[0] is job:
                del self._running[seat]
