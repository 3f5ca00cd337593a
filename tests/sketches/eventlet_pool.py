"""A sketch of an eventlet pool: the gevent one in the words of eventlet."""

from __future__ import annotations

import time
from collections.abc import Sequence

import eventlet  # type: ignore[import-untyped, import-not-found, unused-ignore]
from eventlet import greenthread  # type: ignore[import-untyped, import-not-found, unused-ignore]

from tests.pools.workshop import Local
from tq.contracts.pool import ColdStop, Job, Pool, PoolCap, PoolSetup, Seat, StopMode
from tq.errors import SoftTimeLimitExceeded


class GreenSeat(Local):
    """`begin` and `end` are where the soft limit starts and ends: eventlet's own timer does the rest."""

    _timer: eventlet.Timeout | None = None

    def begin(self, receipt: int, started: float, soft_deadline: float, hard_deadline: float) -> None:
        super().begin(receipt, started, soft_deadline, hard_deadline)
        if soft_deadline:
            seconds = max(soft_deadline - time.monotonic(), 0)
            self._timer = eventlet.Timeout(seconds, SoftTimeLimitExceeded(seconds))

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().end()


class EventletPool(Pool):
    api_version = 1
    capabilities = PoolCap.CONCURRENCY | PoolCap.SOFT_LIMIT

    @classmethod
    def prepare(cls) -> None:
        eventlet.monkey_patch()

    def __init__(self, setup: PoolSetup) -> None:
        super().__init__(setup)
        self._seats = [GreenSeat() for _ in range(setup.concurrency)]
        self._threads: set[greenthread.GreenThread] = set()
        self._engine = setup.slots_engine(self._seats, self._spawn)

    def run(self) -> None:
        self._engine.run()
        # After a warm stop there are none; after a cold one what they say counts for nothing.
        for thread in list(self._threads):
            thread.kill(ColdStop)

    def stop(self, mode: StopMode) -> None:
        self._engine.stop(mode)

    def seats(self) -> Sequence[Seat]:
        return self._seats

    def _spawn(self, job: Job, seat: Seat) -> None:
        thread = eventlet.spawn(job.run)
        self._threads.add(thread)
        thread.link(self._threads.discard)
