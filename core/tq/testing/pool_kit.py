"""A `PoolSetup` without a broker: jobs are numbers in a pipe, and a log in another pipe tells what became of them.

Pipes, because a pool may fork: what a child does has to be seen by the test in the parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tq.contracts.pool import Engine, Pool, Seat, Spawn, StopMode
from tq.testing.pool_engines import Inline, Slots
from tq.testing.waiting import eventually
from tq.worker.seat import LocalSeat

_STOP_SIGNALS = {StopMode.WARM: signal.SIGUSR1, StopMode.COLD: signal.SIGUSR2}


@dataclass(frozen=True, slots=True)
class Work:
    """One body to run once, and its limits in seconds."""

    body: Callable[[], Any]
    soft: float | None = None
    hard: float | None = None
    is_coroutine: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log: `started done soft back failed revoked` of a job, `born left` of a child, and `told` of an
    engine that was asked to stop, with the mode in place of a receipt."""

    what: str
    receipt: int
    pid: int
    thread: int


@dataclass(frozen=True, slots=True)
class Report:
    """What the pool told its setup about a seat: `died time-is-up terminated ended`."""

    what: str
    receipt: int
    cause: str = ""
    charge: bool = True


class Workshop:
    """The setup that the pool gets. Add the work, run a script beside the pool, read the log."""

    def __init__(self, concurrency: int = 1, *, max_tasks: int | None = None, patience: float = 15.0) -> None:
        self.concurrency = concurrency
        self.max_tasks_per_child = max_tasks
        self.max_memory_per_child: int | None = None
        self.hostname = "workshop"
        self.patience = patience
        self.reports: list[Report] = []
        self._works: list[Work] = []
        self._lines: list[Line] = []
        self._unread = b""
        self._queue = os.pipe()
        self._log = os.pipe()
        self._gate = os.pipe()
        os.set_blocking(self._queue[0], False)

    # -- PoolSetup -----------------------------------------------------------------------------------------

    def inline_engine(self, seat: Seat, *, max_tasks: int | None = None) -> Engine:
        return Inline(self, seat, max_tasks)

    def slots_engine(self, seats: Sequence[Seat], spawn: Spawn) -> Engine:
        return Slots(self, seats, spawn)

    def local_seat(self) -> Seat:
        return LocalSeat()

    def forking(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def in_child(self, index: int) -> None:
        self.log("born", index)

    def answer(self, question: bytes) -> bytes:
        return b"%d: %s" % (os.getpid(), question)

    def leave_child(self, index: int) -> None:
        self.log("left", index)

    def child_died(self, seat: Seat, cause: str, *, charge: bool = True) -> None:
        self.reports.append(Report("died", seat.receipt, cause, charge))

    def time_is_up(self, seat: Seat) -> None:
        self.reports.append(Report("time-is-up", seat.receipt))

    def terminated(self, seat: Seat) -> None:
        self.reports.append(Report("terminated", seat.receipt))

    def child_ended(self, seat: Seat) -> None:
        self.reports.append(Report("ended", seat.receipt))

    # -- bodies --------------------------------------------------------------------------------------------

    def add(self, body: Callable[[], Any], **how: Any) -> int:
        """Its number, which is its receipt as well. Before the pool runs."""
        self._works.append(Work(body, **how))
        return len(self._works) - 1

    def quick(self) -> None:
        """Ends at once."""

    def gated(self) -> None:
        """Runs until the gate is opened."""
        while not select.select([self._gate[0]], [], [], 0)[0]:
            time.sleep(0.005)

    async def gated_coroutine(self) -> None:
        """The same on a loop."""
        while not select.select([self._gate[0]], [], [], 0)[0]:
            await asyncio.sleep(0.005)

    def killer(self) -> None:
        """Kills its process."""
        os.kill(os.getpid(), signal.SIGKILL)

    def open_gate(self) -> None:
        """Let all gated bodies end."""
        os.write(self._gate[1], b"!")

    # -- for engines ---------------------------------------------------------------------------------------

    def work(self, receipt: int) -> Work:
        return self._works[receipt]

    def next_job(self, wait: float = 0.005) -> int | None:
        """Take a job from the queue."""
        if select.select([self._queue[0]], [], [], wait)[0]:
            with contextlib.suppress(BlockingIOError):
                return os.read(self._queue[0], 1)[0]
        return None

    def log(self, what: str, receipt: int) -> None:
        os.write(self._log[1], f"{what} {receipt} {os.getpid()} {threading.get_ident()}\n".encode())

    # -- for tests -----------------------------------------------------------------------------------------

    def send(self, *receipts: int) -> None:
        """Queue these jobs."""
        os.write(self._queue[1], bytes(receipts))

    def lines(self, what: str) -> list[Line]:
        """What the log says so far, of one kind."""
        while select.select([self._log[0]], [], [], 0)[0]:
            self._unread += os.read(self._log[0], 65536)
        *whole, self._unread = self._unread.split(b"\n")
        for line in whole:
            word, *numbers = line.decode().split()
            self._lines.append(Line(word, *map(int, numbers)))
        return [line for line in self._lines if line.what == what]

    def receipts(self, what: str) -> list[int]:
        """The jobs to which this happened, in order."""
        return [line.receipt for line in self.lines(what)]

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait for something, or fail."""
        eventually(condition, what, seconds=self.patience)

    def until_all(self, what: str, receipts: Sequence[int]) -> None:
        """Wait until the log says this of all these jobs."""
        self.until(lambda: set(receipts) <= set(self.receipts(what)), f"{what}: jobs {list(receipts)}")

    def stop(self, mode: StopMode) -> None:
        """Stop the pool as a worker does: from a signal handler in the main thread."""
        os.kill(os.getpid(), _STOP_SIGNALS[mode])

    def run(self, pool: Pool, script: Callable[[], None]) -> None:
        """Run the pool on this thread, the main one, with the script beside it on another.

        The script ends with a stop; a COLD one follows in any case. Raises what the script raised.
        """
        errors: list[BaseException] = []

        def play() -> None:
            try:
                script()
            except BaseException as exc:  # noqa: BLE001 - raised again on the main thread
                errors.append(exc)
                self.stop(StopMode.COLD)
            finally:
                returned.wait(self.patience)
                if not returned.is_set():
                    os.kill(os.getpid(), signal.SIGINT)

        returned = threading.Event()
        thread = threading.Thread(target=play, name="script")
        with self._signals(pool, returned):
            thread.start()
            try:
                pool.run()
            except KeyboardInterrupt:
                pytest.fail(f"run() did not return within {self.patience} s after the last stop")
            finally:
                returned.set()
                thread.join()
        if errors:
            raise errors[0]

    def close(self) -> None:
        """Close the pipes."""
        for fd in (*self._queue, *self._log, *self._gate):
            os.close(fd)

    @contextlib.contextmanager
    def _signals(self, pool: Pool, returned: threading.Event) -> Iterator[None]:
        def too_late(*_: object) -> None:
            # One that comes as `run` returns would end the whole session of pytest.
            if not returned.is_set():
                raise KeyboardInterrupt

        before: dict[signal.Signals, Any] = {signal.SIGINT: signal.signal(signal.SIGINT, too_late)}
        for mode, number in _STOP_SIGNALS.items():
            before[number] = signal.signal(number, lambda *_, mode=mode: pool.stop(mode))
        before[signal.SIGALRM] = signal.getsignal(signal.SIGALRM)
        try:
            yield
        finally:
            for taken, handler in before.items():
                signal.signal(taken, handler)
