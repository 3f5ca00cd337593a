"""`ThreadsPool`: bodies on the threads of one process."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence

from tq.contracts.pool import Job, Pool, PoolCap, PoolSetup, Seat, StopMode
from tq.pools.rounds import Rounds
from tq.pools.thread_seat import ThreadSeat
from tq.pools.watchdog import Watchdog

logger = logging.getLogger("tq.pool")

_LAST_WORDS = 1.0
"""Seconds for the threads that have nothing to do to end."""


class ThreadsPool(Pool):
    """One engine with a slot for each thread. A thread that is busy at a cold stop is left behind."""

    api_version = 1
    capabilities = PoolCap.CONCURRENCY | PoolCap.SOFT_LIMIT

    def __init__(self, setup: PoolSetup) -> None:
        super().__init__(setup)
        self._watchdog = Watchdog()
        self._seats = tuple(ThreadSeat(self._watchdog) for _ in range(setup.concurrency))
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._engine = Rounds(lambda: setup.slots_engine(self._seats, self._spawn))

    def run(self) -> None:
        """See `Pool.run`."""
        # Daemons, so that the exit of the process does not wait for a body that was given back.
        threads = [
            threading.Thread(target=self._work, name=f"tq-{number}", daemon=True)
            for number in range(len(self._seats))
        ]
        self._watchdog.start(self._seats)
        for thread in threads:
            thread.start()
        try:
            self._engine.run()
        finally:
            self._dismiss(threads)

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

    def _spawn(self, job: Job, seat: Seat) -> None:
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job.run()
            except Exception:
                logger.exception("a job raised, which it must not; its thread goes on")

    def _dismiss(self, threads: Sequence[threading.Thread]) -> None:
        for _ in threads:
            self._jobs.put(None)
        self._watchdog.end()
        if all(seat.receipt == -1 for seat in self._seats):
            for thread in threads:
                thread.join(_LAST_WORDS)
