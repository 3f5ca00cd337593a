"""A sketch of a gevent pool: bodies on greenlets, the engine's blocking calls made cooperative."""

from __future__ import annotations

import time
from collections.abc import Sequence

import gevent  # type: ignore[import-untyped, import-not-found, unused-ignore]
from gevent import monkey  # type: ignore[import-untyped, import-not-found, unused-ignore]

from tests.pools.workshop import Local
from tq.contracts.pool import ColdStop, Job, Pool, PoolCap, PoolSetup, Seat, StopMode
from tq.errors import SoftTimeLimitExceeded


class GreenSeat(Local):
    """`begin` and `end` are where the soft limit starts and ends: gevent's own timer does the rest."""

    _timer: gevent.Timeout | None = None

    def begin(self, receipt: int, started: float, soft_deadline: float, hard_deadline: float) -> None:
        super().begin(receipt, started, soft_deadline, hard_deadline)
        if soft_deadline:
            seconds = max(soft_deadline - time.monotonic(), 0)
            self._timer = gevent.Timeout.start_new(seconds, SoftTimeLimitExceeded(seconds))

    def end(self) -> None:
        if self._timer is not None:
            self._timer.close()
            self._timer = None
        super().end()


class GeventPool(Pool):
    api_version = 1
    capabilities = PoolCap.CONCURRENCY | PoolCap.SOFT_LIMIT

    @classmethod
    def prepare(cls) -> None:
        monkey.patch_all()

    def __init__(self, setup: PoolSetup) -> None:
        super().__init__(setup)
        self._seats = [GreenSeat() for _ in range(setup.concurrency)]
        self._greenlets: set[gevent.Greenlet] = set()
        self._engine = setup.slots_engine(self._seats, self._spawn)

    def run(self) -> None:
        self._engine.run()
        # After a warm stop there are none; after a cold one what they say counts for nothing.
        gevent.killall(list(self._greenlets), ColdStop, timeout=1)

    def stop(self, mode: StopMode) -> None:
        self._engine.stop(mode)

    def seats(self) -> Sequence[Seat]:
        return self._seats

    def _spawn(self, job: Job, seat: Seat) -> None:
        greenlet = gevent.spawn(job.run)
        self._greenlets.add(greenlet)
        greenlet.rawlink(self._greenlets.discard)
