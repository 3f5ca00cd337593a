"""`PreforkPool`: a parent that supervises children which receive for themselves."""

from __future__ import annotations

import gc
import logging
import math
import select
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tq.contracts.pool import Judge, Pool, PoolCap, PoolSetup, Seat, StopMode
from tq.errors import ImproperlyConfigured
from tq_prefork.crew import Crew
from tq_prefork.line import ask_all
from tq_prefork.memory import resident
from tq_prefork.process import ChildProcess, Verdict
from tq_prefork.wakeup import Wakeup

logger = logging.getLogger("tq.pool")

LOOK = 0.25
"""Seconds between two looks at the seats: a body may begin, with a limit, while the parent sleeps."""
LOOK_WITHOUT_PIDFD = 0.1
"""The same where the death of a child does not wake the parent."""
LOOK_AT_IMPORTS = 0.01
"""The same while a fork waits for another thread's import."""
MEMORY_LOOK = 1.0
COLD_GRACE = 1.0
"""Seconds that a child has to give back what it holds before it is killed."""
LAST_WORDS = 0.3
"""Seconds for a child that hangs to say where."""
# By their default these end a process; in a child of this pool two of them ask for a stop that waits.
_ENDS = frozenset({signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGHUP})


class PreforkPool(Pool):
    """One engine in each of N forked children. No task travels between processes."""

    api_version = 1
    capabilities = (
        PoolCap.CONCURRENCY
        | PoolCap.SOFT_LIMIT
        | PoolCap.HARD_LIMIT
        | PoolCap.TERMINATE
        | PoolCap.RESIZE
        | PoolCap.RECYCLE
        | PoolCap.ISOLATED
    )

    def __init__(self, setup: PoolSetup) -> None:
        super().__init__(setup)
        self._target = setup.concurrency
        self._mode: StopMode | None = None
        self._crew: Crew | None = None
        self._wakeup: Wakeup | None = None
        self._terminations: deque[tuple[Seat, int, int]] = deque()
        self._replacements: deque[Seat] = deque()
        self._renewals = 0
        """That were asked for and not done yet."""
        self._memory_look = 0.0
        self._cold_end = math.inf

    # -- called from anywhere ------------------------------------------------------------------------------

    def stop(self, mode: StopMode) -> None:
        """See `Pool.stop`."""
        self._mode = max(mode, self._mode or mode)
        self._wake()

    def seats(self) -> Sequence[Seat]:
        """See `Pool.seats`; children that are about to stop included, since they still hold messages."""
        return self._crew.seats if self._crew is not None else ()

    def pids(self) -> Sequence[int]:
        """See `Pool.pids`."""
        return self._crew.pids if self._crew is not None else ()

    def resize(self, slots: int) -> None:
        """See `Pool.resize`. Raises `ImproperlyConfigured` for less than one."""
        if slots < 1:
            raise ImproperlyConfigured(f"a prefork pool needs at least one child, not {slots}")
        self._target = slots
        self._wake()

    def terminate(self, seat: Seat, receipt: int, signal: int) -> bool:
        """See `Pool.terminate`. Signals that stop a child softly are sent as SIGKILL."""
        if seat.receipt != receipt or seat not in self.seats():
            return False
        self._terminations.append((seat, receipt, signal))
        self._wake()
        return True

    def replace(self, seat: Seat) -> bool:
        """See `Pool.replace`."""
        self._replacements.append(seat)
        self._wake()
        return True

    def ask(self, question: bytes, timeout: float) -> Mapping[int, bytes]:
        """See `Pool.ask`."""
        return ask_all(self._crew.lines, question, timeout) if self._crew is not None else {}

    def renew(self) -> bool:
        """See `Pool.renew`."""
        self._renewals += 1
        self._wake()
        return True

    def _wake(self) -> None:
        if self._wakeup is not None:
            self._wakeup.set()

    # -- the supervisor ------------------------------------------------------------------------------------

    def run(self) -> None:
        """See `Pool.run`."""
        # What is garbage already should not be kept by every child.
        gc.collect()
        self._wakeup = Wakeup()
        self._crew = Crew(self.setup, self._wakeup.close)
        try:
            self._supervise(self._crew, self._wakeup)
        finally:
            self._crew.close()
            self._wakeup.close()

    def _supervise(self, crew: Crew, wakeup: Wakeup) -> None:
        while True:
            crew.reap()
            if self._mode is None:
                crew.fit(self._target)
            elif not crew.processes:
                return
            else:
                self._stop_all(crew, self._mode)
            self._renew(crew)
            self._terminate(crew)
            self._replace(crew)
            self._enforce_hard_limits(crew)
            self._recycle_large(crew)
            self._sleep(crew, wakeup)

    def _stop_all(self, crew: Crew, mode: StopMode) -> None:
        for process in crew.processes:
            process.ask(mode)
        if mode is StopMode.COLD:
            now = time.monotonic()
            self._cold_end = min(self._cold_end, now + COLD_GRACE)
            if now >= self._cold_end:
                crew.kill_all(Verdict.COLD_STOP)
                self._cold_end = now + COLD_GRACE

    def _renew(self, crew: Crew) -> None:
        if self._renewals:
            self._renewals = 0
            crew.renew()

    def _terminate(self, crew: Crew) -> None:
        while self._terminations:
            seat, receipt, number = self._terminations.popleft()
            for process in crew.processes:
                if process.seat is seat:
                    number = signal.SIGKILL if number in _ENDS else number
                    process.kill_if_runs(receipt, number, Verdict.TERMINATED, self._condemn(revoked=True))

    def _replace(self, crew: Crew) -> None:
        while self._replacements:
            seat = self._replacements.popleft()
            for process in crew.processes:
                if process.seat is seat:
                    self._replace_one(process)

    def _replace_one(self, process: ChildProcess) -> None:
        shown = process.seat.shown
        if not process.kill_if_runs(-1, signal.SIGUSR1, Verdict.STUCK):
            return
        # Workers answer that with the stacks of all threads: nothing else will ever say where it hung.
        time.sleep(LAST_WORDS)
        # That also woke one that was only suspended: what it has done since must not be done again.
        if not process.kill_if_runs(-1, signal.SIGKILL, Verdict.STUCK, shown=shown) and not process.is_gone():
            process.spare()
            logger.warning("child %d of the pool (pid %d) works again, and stays", process.index, process.pid)

    def _enforce_hard_limits(self, crew: Crew) -> None:
        for process in crew.processes:
            running = process.seat.read()
            if 0.0 < running.hard_deadline <= time.monotonic() and process.why() is None:
                process.kill_if_runs(
                    running.receipt, signal.SIGKILL, Verdict.TIME_IS_UP, self._condemn(revoked=False)
                )

    def _condemn(self, *, revoked: bool) -> Callable[[Seat], None] | None:
        setup = self.setup
        return partial(setup.condemn, revoked=revoked) if isinstance(setup, Judge) else None

    def _recycle_large(self, crew: Crew) -> None:
        limit, now = self.setup.max_memory_per_child, time.monotonic()
        if limit is None or now < self._memory_look:
            return
        self._memory_look = now + MEMORY_LOOK
        sizes = resident(crew.pids)
        for process in crew.processes:
            if sizes.get(process.pid, 0) > limit:
                process.ask(StopMode.WARM)

    def _sleep(self, crew: Crew, wakeup: Wakeup) -> None:
        poll = select.poll()
        poll.register(wakeup.fileno(), select.POLLIN)
        for process in crew.processes:
            if process.pidfd >= 0:
                poll.register(process.pidfd, select.POLLIN)
        poll.poll(max(self._until(crew) * 1000, 0))
        wakeup.clear()

    def _until(self, crew: Crew) -> float:
        """Seconds until the supervisor has to look again, at most."""
        now = time.monotonic()
        look = LOOK if all(process.pidfd >= 0 for process in crew.processes) else LOOK_WITHOUT_PIDFD
        deadlines = [now + (LOOK_AT_IMPORTS if crew.put_off and self._mode is None else look), self._cold_end]
        for process in crew.processes:
            deadline = process.seat.hard_deadline
            if deadline > 0.0 and process.why() is None:
                deadlines.append(deadline)
        return min(deadlines) - now
