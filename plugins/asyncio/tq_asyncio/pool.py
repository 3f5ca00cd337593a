"""`AsyncioPool`: coroutines share one event loop, plain bodies run in threads beside it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tq.contracts.pool import Job, Pool, PoolCap, PoolSetup, Seat, StopMode
from tq.pools.rounds import Rounds
from tq.pools.thread_seat import ThreadSeat
from tq.pools.watchdog import Watchdog
from tq_asyncio.crew import Crew
from tq_asyncio.loop import LoopThread

logger = logging.getLogger("tq.pool")


class AsyncioPool(Pool):
    """One engine on the main thread and one loop on a thread of its own, so that a coroutine that computes delays
    no settlement."""

    api_version = 1
    capabilities = PoolCap.CONCURRENCY | PoolCap.SOFT_LIMIT | PoolCap.TERMINATE | PoolCap.COROUTINES

    def __init__(self, setup: PoolSetup) -> None:
        super().__init__(setup)
        self._watchdog = Watchdog()
        self._seats = tuple(ThreadSeat(self._watchdog) for _ in range(setup.concurrency))
        self._crew = Crew(setup.concurrency)
        self._loop = LoopThread()
        self._engine = Rounds(lambda: setup.slots_engine(self._seats, self._spawn))

    def run(self) -> None:
        """See `Pool.run`."""
        self._watchdog.start(self._seats)
        self._loop.start()
        try:
            self._engine.run()
        finally:
            # At a cold stop bodies still run, and what they say counts for nothing any more.
            self._loop.end()
            self._watchdog.end()
            self._crew.dismiss(wait=all(seat.receipt == -1 for seat in self._seats))

    def stop(self, mode: StopMode) -> None:
        """See `Pool.stop`."""
        self._engine.stop(mode)

    def seats(self) -> Sequence[Seat]:
        """See `Pool.seats`."""
        return self._seats

    def renew(self) -> bool:
        """See `Pool.renew`."""
        self._engine.renew()
        return True

    def terminate(self, seat: Seat, receipt: int, signal: int) -> bool:
        """See `Pool.terminate`: cancels a coroutine, whatever the signal. A body in a thread cannot be ended."""
        if seat.receipt != receipt:
            return False
        if self._loop.has(seat):
            self._loop.cancel(seat, receipt)
            return True
        logger.warning("a revoked task goes on: it is no coroutine, and its thread cannot be ended")
        return False

    def _spawn(self, job: Job, seat: Seat) -> None:
        if job.is_coroutine:
            self._loop.spawn(job, seat)
        else:
            self._crew.run(job)
