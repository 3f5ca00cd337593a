"""The engines of the workshop: as simple as the contract allows."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tq.contracts.pool import ColdStop, Seat, Spawn, StopMode
from tq.errors import SoftTimeLimitExceeded
from tq.worker.alarm import Alarm

if TYPE_CHECKING:
    from tq.testing.pool_kit import Workshop


class Inline:
    """One body at a time, on the thread that calls `run`."""

    def __init__(self, shop: Workshop, seat: Seat, max_tasks: int | None) -> None:
        self._shop = shop
        self._seat = seat
        self._left = -1 if max_tasks is None else max_tasks
        self._mode: StopMode | None = None
        self._in_body = False
        self._thread = 0

    def run(self) -> None:
        self._thread = threading.get_ident()
        self._alarm = Alarm()
        self._seat.consumer_id = f"consumer-{os.getpid()}"
        while self._mode is None and self._left != 0:
            receipt = self._shop.next_job()
            if receipt is not None:
                self._perform(receipt)
                self._left -= 1

    def stop(self, mode: StopMode) -> None:
        self._mode = max(mode, self._mode or mode)
        self._shop.log("told", mode)
        if mode is StopMode.COLD and self._in_body and threading.get_ident() == self._thread:
            raise ColdStop

    def _perform(self, receipt: int) -> None:
        soft = self._shop.work(receipt).soft
        self._in_body = True
        try:
            if soft is not None:
                self._alarm.arm(soft)
            outcome = perform(self._shop, receipt, self._seat)
        except ColdStop:
            outcome = "back"
        finally:
            self._in_body = False
            self._alarm.disarm()
        self._shop.log(outcome, receipt)


class Slots:
    """As many bodies as there are seats, through the pool's `spawn`."""

    def __init__(self, shop: Workshop, seats: Sequence[Seat], spawn: Spawn) -> None:
        self._shop = shop
        self._spawn = spawn
        self._seats = list(seats)
        self._free = list(seats)
        self._running: dict[int, SlotJob] = {}
        self._mode: StopMode | None = None

    def run(self) -> None:
        for seat in self._seats:
            seat.consumer_id = f"consumer-{os.getpid()}"
        while self._mode is None:
            if not self._free:
                time.sleep(0.005)
            elif (receipt := self._shop.next_job()) is not None:
                seat = self._free.pop()
                self._running[receipt] = SlotJob(self, self._shop, receipt, seat)
                self._spawn(self._running[receipt], seat)
        while self._running and self._mode is not StopMode.COLD:
            time.sleep(0.005)
        for receipt in list(self._running):
            if self._running.pop(receipt, None) is not None:
                self._shop.log("back", receipt)

    def stop(self, mode: StopMode) -> None:
        self._mode = max(mode, self._mode or mode)
        self._shop.log("told", mode)

    def ended(self, job: SlotJob, outcome: str) -> None:
        """A body ended, on its own thread. What was given back by a cold stop has no outcome any more."""
        if self._running.get(job.receipt) is job:
            self._shop.log(outcome, job.receipt)
            self._free.append(job.seat)
            self._running.pop(job.receipt, None)


class SlotJob:
    """See `tq.contracts.pool.Job`."""

    def __init__(self, engine: Slots, shop: Workshop, receipt: int, seat: Seat) -> None:
        work = shop.work(receipt)
        self.is_coroutine = work.is_coroutine
        self.soft_time_limit = work.soft
        self.receipt = receipt
        self.seat = seat
        self._engine = engine
        self._shop = shop
        self._forced = "back"

    def revoke(self) -> None:
        self._forced = "revoked"

    def run(self) -> None:
        try:
            outcome = perform(self._shop, self.receipt, self.seat)
        except ColdStop:
            self.seat.end()
            outcome = self._forced
        self._engine.ended(self, outcome)

    async def arun(self) -> None:
        self._shop.log("started", self.receipt)
        begin(self._shop, self.receipt, self.seat)
        outcome = "done"
        try:
            await self._shop.work(self.receipt).body()
        except asyncio.CancelledError:
            outcome = self._forced
        finally:
            self.seat.end()
            self._engine.ended(self, outcome)


def perform(shop: Workshop, receipt: int, seat: Seat) -> str:
    """Run a body on its seat as the contract of `Seat` asks for; what became of it."""
    shop.log("started", receipt)
    try:
        try:
            begin(shop, receipt, seat)
            shop.work(receipt).body()
        finally:
            seat.end()
    except SoftTimeLimitExceeded:
        seat.end()
        return "soft"
    except Exception:  # noqa: BLE001 - a body is free to raise anything
        seat.end()
        return "failed"
    return "done"


def begin(shop: Workshop, receipt: int, seat: Seat) -> None:
    """Take the seat, with the deadlines of the work."""
    work, now = shop.work(receipt), time.monotonic()
    seat.begin(receipt, now, now + work.soft if work.soft else 0.0, now + work.hard if work.hard else 0.0)
