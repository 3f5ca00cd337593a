"""`tq worker --processes N`: N workers of one pool in processes of their own, supervised by this one.

Each is started anew and not forked: a loop, a hub of greenlets and threads do not live through a fork. Each is a
whole worker, with its own connections and heartbeats. What it runs is noted on a board that both share, so that the
supervisor can give it back at once when the process dies, with those charged that ran.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from tq.contracts.broker import Cap
from tq.contracts.pool import StopMode
from tq.errors import ImproperlyConfigured
from tq.policy.backoff import reconnect_delays
from tq.worker.board import Board
from tq.worker.losses import Loss, Losses

logger = logging.getLogger("tq.worker")

LOOK = 0.1
"""Seconds between two looks at the processes."""
SETTLE = 1.0
"""Seconds between two attempts to give back what a dead process held."""
SETTLED_IN = 30.0
"""Seconds after which a death is no sign that the next start will fail as well."""
COLD_GRACE = 10.0
"""Seconds that a process gets to give back what it holds before it is killed."""


class Process:
    """One place in the crew, and the process that holds it now."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.popen: subprocess.Popen[bytes] | None = None
        self.board: Board | None = None
        self.started = 0.0
        self.next_start = 0.0
        self._pauses = reconnect_delays(first=0.5, maximum=30.0)

    @property
    def is_ready(self) -> bool:
        """Whether its engine has asked for messages."""
        return self.board is not None and bool(self.board.consumer_id)

    def start(self, command: Sequence[str], seats: int) -> None:
        """Start it with a clean board."""
        self.board = Board(seats)
        self.started = time.monotonic()
        self.popen = subprocess.Popen(
            [*command, "--board", f"{self.board.descriptor}:{seats}"],
            pass_fds=(self.board.descriptor,),
            # A terminal's signals are for the supervisor, which passes them on.
            process_group=0,
        )

    def pause(self) -> None:
        """Wait before the next start, longer where it keeps dying."""
        now = time.monotonic()
        if now - self.started > SETTLED_IN:
            self._pauses = reconnect_delays(first=0.5, maximum=30.0)
        self.next_start = now + next(self._pauses)

    def clear(self) -> None:
        """Its process is gone."""
        if self.board is not None:
            self.board.close()
        self.popen = self.board = None


class Processes:
    """`command(number)` is the command line of a worker; `on_ready` is called once all of them are."""

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        count: int,
        seats: int,
        losses: Losses,
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        self._command = command
        self._seats = seats
        self._losses = losses
        self._on_ready = on_ready
        self._crew = [Process(number) for number in range(1, count + 1)]
        self._mode: StopMode | None = None
        self._told: StopMode | None = None
        self._kill_at = 0.0
        self._settle_at = 0.0
        self._was_ready = False

    def run(self) -> None:
        """Supervise until stopped, or until all have ended as they should. Raises `ImproperlyConfigured` where they
        do not even start."""
        try:
            with self._signals():
                while self._look():
                    time.sleep(LOOK)
        finally:
            self._mode = StopMode.COLD
            for process in self._crew:
                if process.popen is not None:
                    process.popen.kill()
                    self._reap(process, process.popen.wait())
            self._losses.settle()

    def stop(self, mode: StopMode) -> None:
        """Have all end; from any thread or signal handler."""
        self._mode = StopMode(max(mode, self._mode or mode))

    def _look(self) -> bool:
        for process in list(self._crew):
            if process.popen is not None and (status := process.popen.poll()) is not None:
                self._reap(process, status)
        self._settle()
        if self._mode is not None:
            self._tell(self._mode)
            return any(process.popen is not None for process in self._crew)
        for process in self._crew:
            if process.popen is None and time.monotonic() >= process.next_start:
                process.start(self._command(process.number), self._seats)
                logger.info("process %d of %d starts", process.number, len(self._crew))
        if not self._was_ready and all(process.is_ready for process in self._crew):
            self._was_ready = True
            logger.info("all %d processes are ready", len(self._crew))
            if self._on_ready is not None:
                self._on_ready()
        return bool(self._crew)

    def _reap(self, process: Process, status: int) -> None:
        board = process.board
        assert board is not None
        assert process.popen is not None
        cause = f"process {process.number} (pid {process.popen.pid}) {_told(status)}"
        consumer_id, running, was_ready = board.consumer_id, board.running, process.is_ready
        process.clear()
        if status == 0:
            if self._mode is None:
                # It was told to end by others, such as remote control.
                logger.info("%s", cause)
                self._crew.remove(process)
            return
        if consumer_id and Cap.LEASE in self._losses.stores.broker.capabilities:
            self._losses.waiting.append(Loss(consumer_id, running, cause))
        if self._mode is None:
            if not was_ready and not self._was_ready:
                raise ImproperlyConfigured(f"{cause} before it was ready; what it said is above")
            logger.error("%s; another takes its place", cause)
            process.pause()

    def _settle(self) -> None:
        now = time.monotonic()
        if self._losses.waiting and now >= self._settle_at:
            self._settle_at = now + SETTLE
            self._losses.settle()

    def _tell(self, mode: StopMode) -> None:
        now = time.monotonic()
        if self._told != mode:
            self._told = mode
            self._kill_at = now + COLD_GRACE
            self._pass_on(signal.SIGQUIT if mode is StopMode.COLD else signal.SIGTERM)
        elif mode is StopMode.COLD and now >= self._kill_at:
            self._pass_on(signal.SIGKILL)

    def _pass_on(self, number: int) -> None:
        for process in self._crew:
            if process.popen is not None:
                process.popen.send_signal(number)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def end(number: int, frame: FrameType | None) -> None:
            at_once = number == signal.SIGQUIT or self._mode is not None
            self.stop(StopMode.COLD if at_once else StopMode.WARM)

        def show(number: int, frame: FrameType | None) -> None:
            self._pass_on(number)

        handlers = dict.fromkeys((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT), end)
        previous = {n: signal.signal(n, each) for n, each in {**handlers, signal.SIGUSR1: show}.items()}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def worker_command(words: Sequence[str], hostname: str) -> list[str]:
    """`tq ... worker ...` in this Python, as a process of a crew; it ends when this process does."""
    return [
        *(sys.executable, "-P", "-m", "tq", *words),
        *("--hostname", hostname, "--parent-pid", str(os.getpid())),
    ]


def _told(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"
