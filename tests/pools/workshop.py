"""A `PoolSetup` without a broker for pools with slots: its engine runs the jobs of a list.

It keeps the rules of `tq.contracts.pool`, and writes down what it saw. Blocking primitives are looked up when
they are used, so that monkey-patched ones are taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from tq.contracts.pool import Engine, Seat, Spawn, StopMode
from tq.testing.waiting import GENEROUS, eventually


class Local:
    """A seat in this process."""

    def __init__(self) -> None:
        self.consumer_id = ""
        self.receipt = -1
        self.started = self.soft_deadline = self.hard_deadline = 0.0
        self.finished = 0

    def begin(self, receipt: int, started: float, soft_deadline: float, hard_deadline: float) -> None:
        self.receipt, self.started = receipt, started
        self.soft_deadline, self.hard_deadline = soft_deadline, hard_deadline

    def end(self) -> None:
        if self.receipt != -1:
            self.receipt = -1
            self.finished += 1


class ListJob:
    """One body on its way; see `tq.contracts.pool.Job`."""

    def __init__(self, engine: ListEngine, body: Callable[[], Any], receipt: int, seat: Seat) -> None:
        self.body, self.receipt, self.seat, self._engine = body, receipt, seat, engine
        self.is_coroutine = asyncio.iscoroutinefunction(body)
        self.soft_time_limit = engine.soft_time_limit

    def revoke(self) -> None:
        self._engine.revoked.add(self.receipt)

    def run(self) -> None:
        seat, now = self.seat, time.monotonic()
        soft = now + self.soft_time_limit if self.soft_time_limit else 0.0
        try:
            try:
                seat.begin(self.receipt, now, soft, 0.0)
                outcome = self.body()
            finally:
                seat.end()
        except BaseException as exc:  # noqa: BLE001 - a body may raise anything
            seat.end()
            outcome = exc
        self._engine.report(self, outcome)

    async def arun(self) -> None:
        seat = self.seat
        try:
            try:
                seat.begin(self.receipt, time.monotonic(), 0.0, 0.0)
                async with asyncio.timeout(self.soft_time_limit):
                    outcome = await self.body()
            finally:
                seat.end()
        except BaseException as exc:  # noqa: BLE001 - a body may raise anything
            seat.end()
            outcome = exc
        self._engine.report(self, outcome)


class ListEngine:
    """Runs jobs until stopped, as many at once as there are seats."""

    def __init__(
        self,
        bodies: Sequence[Callable[[], Any]],
        seats: Sequence[Seat],
        spawn: Spawn,
        soft_time_limit: float | None,
    ) -> None:
        self.soft_time_limit = soft_time_limit
        self.outcomes: dict[int, Any] = {}
        self.given_back: list[int] = []
        self.revoked: set[int] = set()
        self._spawn = spawn
        self._todo = deque(enumerate(bodies))
        self._free = deque(seats)
        self._running: dict[int, ListJob] = {}
        self._events: Any = queue.SimpleQueue()
        self._mode: StopMode | None = None
        for seat in seats:
            seat.consumer_id = "consumer"

    def run(self) -> None:
        while self._mode is None:
            while self._todo and self._free:
                self._start()
            self._wait()
        while self._running and self._mode is StopMode.WARM:
            self._wait()
        self.given_back = sorted([*self._running, *(receipt for receipt, _ in self._todo)])
        self._running.clear()

    def stop(self, mode: StopMode) -> None:
        self._mode = max(mode, self._mode or mode)

    def report(self, job: ListJob, outcome: Any) -> None:
        if self._running.pop(job.receipt, None) is job:
            self.outcomes[job.receipt] = outcome
            self._free.append(job.seat)
            self._events.put(None)

    def _start(self) -> None:
        receipt, body = self._todo.popleft()
        seat = self._free.popleft()
        job = self._running[receipt] = ListJob(self, body, receipt, seat)
        self._spawn(job, seat)

    def _wait(self) -> None:
        with contextlib.suppress(queue.Empty):
            self._events.get(timeout=0.01)


class Workshop:
    """The setup."""

    max_tasks_per_child: int | None = None
    max_memory_per_child: int | None = None
    hostname = "workshop"

    def __init__(
        self, *bodies: Callable[[], Any], concurrency: int = 2, soft_time_limit: float | None = None
    ) -> None:
        self.bodies = bodies
        self.concurrency = concurrency
        self.soft_time_limit = soft_time_limit
        self.engine: ListEngine

    def slots_engine(self, seats: Sequence[Seat], spawn: Spawn) -> Engine:
        self.engine = ListEngine(self.bodies, seats, spawn, self.soft_time_limit)
        return self.engine

    def local_seat(self) -> Seat:
        return Local()

    def inline_engine(self, seat: Seat, *, max_tasks: int | None = None) -> Engine:
        raise AssertionError("a pool with slots makes no inline engine")

    def forking(self) -> AbstractContextManager[None]:
        raise AssertionError("a pool with slots does not fork")

    def in_child(self, index: int) -> None:
        raise AssertionError("a pool with slots has no children")

    def answer(self, question: bytes) -> bytes:
        return b"%d: %s" % (os.getpid(), question)

    def leave_child(self, index: int) -> None:
        raise AssertionError("a pool with slots has no children")

    def child_died(self, seat: Seat, cause: str, *, charge: bool = True) -> None:
        raise AssertionError("a pool with slots has no children")

    def time_is_up(self, seat: Seat) -> None:
        raise AssertionError("a pool with slots has no children")

    def terminated(self, seat: Seat) -> None:
        raise AssertionError("a pool with slots has no children")

    def child_ended(self, seat: Seat) -> None:
        raise AssertionError("a pool with slots has no children")


def until(condition: Callable[[], object], within: float = GENEROUS) -> None:
    """Wait for something to become true."""
    eventually(condition, "it", seconds=within, every=0.005)
