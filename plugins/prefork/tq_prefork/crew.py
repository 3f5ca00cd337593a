"""The children of one pool: forking them, keeping their number, reporting their end."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
import warnings
from collections.abc import Callable

from tq.contracts.pool import PoolSetup, StopMode
from tq_prefork.child import flush, live
from tq_prefork.imports import ImportGate
from tq_prefork.lifeline import Lifeline
from tq_prefork.line import Line, pair
from tq_prefork.pace import Pace
from tq_prefork.process import ChildProcess, Verdict
from tq_prefork.seat import SharedSeat

logger = logging.getLogger("tq.pool")


class Crew:
    """The processes. All methods but the reading of `seats` and `pids` belong to the supervising thread.

    Forking while other threads run is safe under one rule: the child uses no lock that another thread of the
    parent may have held. Python renews its own (logging, threading), but for those of modules that are being
    imported, see `imports`; the worker's threads are at rest inside `PoolSetup.forking`; `PoolSetup.in_child`
    makes new connections and does not touch the old.
    """

    def __init__(self, setup: PoolSetup, forget: Callable[[], None]) -> None:
        self.processes: list[ChildProcess] = []
        self.seats: tuple[SharedSeat, ...] = ()
        self.pids: tuple[int, ...] = ()
        self.lines: tuple[tuple[int, Line], ...] = ()
        self.pace = Pace()
        self.put_off = False
        """Whether a child is missing because another thread imports something."""
        self._gate = ImportGate()
        self._setup = setup
        self._forget = forget
        self._lifeline = Lifeline()

    def fit(self, target: int) -> None:
        """Start what is missing, and stop what is too much."""
        self.put_off = False
        staying = [process for process in self.processes if not process.surplus]
        for _ in range(target - len(staying)):
            if time.monotonic() < self.pace.next_start or not self._start():
                return
        # Who does nothing costs nobody anything when it goes.
        staying.sort(key=lambda process: process.seat.receipt != -1)
        for process in staying[: max(len(staying) - target, 0)]:
            process.surplus = True
            process.ask(StopMode.WARM)

    def reap(self) -> None:
        """Report each child that is gone."""
        for process in [process for process in self.processes if process.is_gone()]:
            self.processes.remove(process)
            self._publish()
            process.close()
            self._report(process)

    def renew(self) -> None:
        """Have every child end when what it runs has ended; others take their places."""
        for process in self.processes:
            process.ask(StopMode.WARM)

    def kill_all(self, verdict: Verdict) -> None:
        """Kill every child."""
        for process in self.processes:
            process.kill(verdict)

    def close(self) -> None:
        """Leave nothing behind, also after an error of the supervisor."""
        self.kill_all(Verdict.COLD_STOP)
        while self.processes:
            self.reap()
            time.sleep(0.001)
        self._lifeline.close()

    def _publish(self) -> None:
        self.seats = tuple(process.seat for process in self.processes)
        self.pids = tuple(process.pid for process in self.processes)
        self.lines = tuple((process.pid, process.line) for process in self.processes)

    def _report(self, process: ChildProcess) -> None:
        seat, why, cause = process.seat, process.why(), process.cause()
        if seat.ended:
            self._ended(process)
            return
        now = time.monotonic()
        level = logging.ERROR if why is None else logging.WARNING
        said = f"{cause}: {why.value}" if why else cause
        logger.log(level, "child %d of the pool (pid %d) %s", process.index, process.pid, said)
        if why is None:
            self.pace.died(now - process.started, now, cause)
        if why is Verdict.TIME_IS_UP:
            self._setup.time_is_up(seat)
        elif why is Verdict.TERMINATED:
            self._setup.terminated(seat)
        else:
            self._setup.child_died(seat, why.value if why else cause, charge=why is None)

    def _ended(self, process: ChildProcess) -> None:
        # An engine that returns at once, and unasked, would otherwise be forked again in a tight circle.
        if process.asked is None and process.seat.finished == 0:
            now = time.monotonic()
            self.pace.died(now - process.started, now, "ended unasked")
        else:
            self.pace.ended_well()
        self._setup.child_ended(process.seat)

    def _start(self) -> bool:
        with self._setup.forking():
            self.put_off = not self._gate.look()
            return not self.put_off and self._start_now()

    def _start_now(self) -> bool:
        taken = {process.index for process in self.processes}
        index = next(index for index in range(len(taken) + 1) if index not in taken)
        seat = SharedSeat()
        flush()
        ends = None
        try:
            ends = pair()
            pid = self._fork(index, seat, ends)
        except OSError as exc:
            if ends is not None:
                ends[0].close()
                ends[1].close()
            logger.error("cannot fork child %d: %s", index, exc)
            self.pace.died(0.0, time.monotonic(), f"could not be forked: {exc}")
            return False
        ends[1].close()
        self.processes.append(ChildProcess(pid, index, seat, Line(ends[0])))
        self._publish()
        return True

    def _fork(self, index: int, seat: SharedSeat, ends: tuple[socket.socket, socket.socket]) -> int:
        # A handler of the parent must not run in a child that has not installed its own yet.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = _fork()
            if pid == 0:
                self._gate.check_child()
                ends[0].close()
                live(index, seat, self._setup, self._lifeline, self._forget_parent, mask, ends[1])
            return pid
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _forget_parent(self) -> None:
        for process in self.processes:
            process.close()
        self.processes.clear()
        self._publish()
        self._forget()


def _fork() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns of any fork beside threads; the rule above is the answer.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        return os.fork()
