"""A `PoolSetup` without a broker: jobs are numbers in a pipe, and each child takes one at a time."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tq.contracts.pool import Engine, Seat, Spawn, StopMode
from tq.testing.waiting import GENEROUS, eventually
from tq_prefork import PreforkPool


class Job(NamedTuple):
    """One body, and the hard limit of its run in seconds; 0 means none."""

    body: Callable[[], object]
    hard_limit: float = 0.0


class Report(NamedTuple):
    """What the pool told its setup about one seat."""

    what: str
    receipt: int
    cause: str = ""
    charge: bool = False


class Workshop:
    """The setup, and the store of its jobs. Receipts are the positions in `jobs`."""

    def __init__(self, *jobs: Job, concurrency: int = 1, max_tasks: int | None = None) -> None:
        self.jobs = jobs
        self.concurrency = concurrency
        self.max_tasks_per_child = max_tasks
        self.max_memory_per_child: int | None = None
        self.hostname = "workshop"
        self.prepare_child: Callable[[], object] = lambda: None
        self.tidy_child: Callable[[], object] = lambda: None
        self.reports: list[Report] = []
        self.queue, self._queue_end = os.pipe()
        self._done, self.done_end = os.pipe()
        self._lines: list[list[int]] = []
        self._unread = b""

    # -- PoolSetup -----------------------------------------------------------------------------------------

    def inline_engine(self, seat: Seat, *, max_tasks: int | None = None) -> Engine:
        return PipeEngine(self, seat, max_tasks)

    def slots_engine(self, seats: object, spawn: Spawn) -> Engine:
        raise AssertionError("a prefork pool makes no engine with slots")

    def local_seat(self) -> Seat:
        raise AssertionError("a prefork pool shares its seats")

    def forking(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def in_child(self, index: int) -> None:
        self.prepare_child()

    def answer(self, question: bytes) -> bytes:
        return b"%d: %s" % (os.getpid(), question)

    def leave_child(self, index: int) -> None:
        self.tidy_child()

    def child_died(self, seat: Seat, cause: str, *, charge: bool = True) -> None:
        self.reports.append(Report("died", seat.receipt, cause, charge))

    def time_is_up(self, seat: Seat) -> None:
        self.reports.append(Report("time is up", seat.receipt))

    def terminated(self, seat: Seat) -> None:
        self.reports.append(Report("terminated", seat.receipt))

    def child_ended(self, seat: Seat) -> None:
        self.reports.append(Report("ended", seat.receipt))

    # -- the test's side -----------------------------------------------------------------------------------

    def send(self, *numbers: int) -> None:
        """Queue jobs by their number."""
        os.write(self._queue_end, bytes(numbers))

    def done(self) -> list[tuple[int, int]]:
        """Receipt and pid of each job that ended, so far."""
        while select.select([self._done], [], [], 0)[0]:
            self._unread += os.read(self._done, 4096)
        return [(int(a), int(b)) for a, b in (line.split() for line in self._unread.splitlines())]

    def close(self) -> None:
        for fd in (self.queue, self._queue_end, self._done, self.done_end):
            os.close(fd)


class PipeEngine:
    """Takes a job, runs it, writes that it is done."""

    def __init__(self, workshop: Workshop, seat: Seat, max_tasks: int | None) -> None:
        self._workshop = workshop
        self._seat = seat
        self._left = -1 if max_tasks is None else max_tasks
        self._mode: StopMode | None = None

    def run(self) -> None:
        self._seat.consumer_id = f"consumer-{os.getpid()}"
        while self._mode is None and self._left != 0:
            if not select.select([self._workshop.queue], [], [], 0.01)[0]:
                continue
            with contextlib.suppress(BlockingIOError):
                self._perform(os.read(self._workshop.queue, 1)[0])
                self._left -= 1

    def _perform(self, receipt: int) -> None:
        job, now = self._workshop.jobs[receipt], time.monotonic()
        self._seat.begin(receipt, now, 0.0, now + job.hard_limit if job.hard_limit else 0.0)
        job.body()
        self._seat.end()
        os.write(self._workshop.done_end, b"%d %d\n" % (receipt, os.getpid()))

    def stop(self, mode: StopMode) -> None:
        self._mode = mode


class Running:
    """A pool at work on a thread of its own, as beside a worker's heartbeat."""

    def __init__(self, workshop: Workshop) -> None:
        os.set_blocking(workshop.queue, False)
        self.pool = PreforkPool(workshop)
        self.thread = threading.Thread(target=self.pool.run)
        self.thread.start()

    def stop(self, mode: StopMode, within: float = 10.0) -> None:
        self.pool.stop(mode)
        self.thread.join(within)
        assert not self.thread.is_alive(), f"the pool did not return within {within} s"


@contextlib.contextmanager
def at_work(workshop: Workshop) -> Iterator[Running]:
    """A running pool with all its children ready; stopped COLD at the end if the test did not stop it."""
    running = Running(workshop)
    try:
        until(lambda: ready(running.pool) == workshop.concurrency)
        yield running
    finally:
        running.stop(StopMode.COLD)
        workshop.close()


def ready(pool: PreforkPool) -> int:
    """How many children have a consumer."""
    return sum(bool(seat.consumer_id) for seat in pool.seats())


def until(condition: Callable[[], object], within: float = GENEROUS) -> None:
    """Wait for something to become true."""
    eventually(condition, "it", seconds=within, every=0.005)
