"""One child as its parent knows it."""

from __future__ import annotations

import enum
import os
import signal
import time
from collections.abc import Callable

from tq.contracts.pool import StopMode
from tq_prefork.child import COLD_SIGNAL, WARM_SIGNAL
from tq_prefork.line import Line
from tq_prefork.seat import SharedSeat

_FREEZE_TRIES = 100
_FREEZE_PAUSE = 0.001


class Verdict(enum.Enum):
    """Why the pool killed a child."""

    TIME_IS_UP = "its task ran over its hard time limit"
    TERMINATED = "its task was terminated"
    STUCK = "it had stopped asking for work"
    COLD_STOP = "killed by a cold shutdown"


class ChildProcess:
    """A process that was forked and not yet waited for; its pid is therefore no other's."""

    def __init__(self, pid: int, index: int, seat: SharedSeat, line: Line) -> None:
        self.pid = pid
        self.index = index
        self.seat = seat
        self.line = line
        self.started = time.monotonic()
        self.surplus = False
        """Stops because the pool shrank; nobody takes its place."""
        self.asked: StopMode | None = None
        self.verdict: Verdict | None = None
        self.pidfd = _open_pidfd(pid)
        """Readable once the child is gone; -1 where the system has no such thing."""
        self._condemned = -1
        """The receipt for which the child was, or is to be, killed."""
        self._status: int | None = None
        self._gone = False

    def ask(self, mode: StopMode) -> None:
        """Ask for a stop, once for each mode."""
        if self.asked is None or mode > self.asked:
            self.asked = mode
            self.send(COLD_SIGNAL if mode is StopMode.COLD else WARM_SIGNAL)

    def send(self, number: int) -> None:
        """Send a signal, unless the child is known to be gone."""
        if not self._gone:
            os.kill(self.pid, number)

    def kill_if_runs(
        self,
        receipt: int,
        number: int,
        verdict: Verdict,
        condemn: Callable[[SharedSeat], None] | None = None,
        *,
        shown: tuple[float, int] | None = None,
    ) -> bool:
        """Send the signal if the child still runs this receipt, and never to what it runs next; with `shown` only if its
        seat shows that still.

        The child is stopped while its seat is read again, so that nothing can begin in between; `condemn` is called
        while it is.
        """
        if not self._freeze():
            return False
        guilty = self.seat.read().receipt == receipt and shown in (None, self.seat.shown)
        if guilty:
            self.verdict, self._condemned = verdict, receipt
            if condemn is not None and number == signal.SIGKILL:
                condemn(self.seat)
            self.send(number)
        self.send(signal.SIGCONT)
        return guilty

    def spare(self) -> None:
        """It is not to be killed after all."""
        self.verdict = None

    def kill(self, verdict: Verdict) -> None:
        """Kill it, whatever it runs."""
        if self.why() is None:
            self.verdict, self._condemned = verdict, self.seat.receipt
        self.send(signal.SIGKILL)

    def is_gone(self) -> bool:
        """Whether the child has exited; waits for nothing."""
        self._wait(os.WNOHANG)
        return self._gone

    def why(self) -> Verdict | None:
        """Why the pool killed it, or is killing it; None where it did not, or for something that ended since."""
        if self.verdict is Verdict.COLD_STOP or self._condemned == self.seat.receipt:
            return self.verdict
        return None

    def cause(self) -> str:
        """What the system says of its end, after "it"."""
        if self._status is None:
            return "vanished: something else in the worker waited for it"
        if os.WIFSIGNALED(self._status):
            return f"was killed by {_signal_name(os.WTERMSIG(self._status))}"
        return f"exited with status {os.WEXITSTATUS(self._status)}"

    def close(self) -> None:
        """Free the descriptors."""
        self.line.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def _freeze(self) -> bool:
        self.send(signal.SIGSTOP)
        for _ in range(_FREEZE_TRIES):
            if self._wait(os.WNOHANG | os.WUNTRACED):
                break
            if self._gone:
                return False
            time.sleep(_FREEZE_PAUSE)
        # One that the kernel holds cannot stop yet, but will before it computes again.
        return not self._gone

    def _wait(self, options: int) -> bool:
        """Whether the child was seen stopped; notes when it is gone."""
        if self._gone:
            return False
        try:
            pid, status = os.waitpid(self.pid, options)
        except ChildProcessError:
            self._gone = True
            return False
        if pid == 0:
            return False
        if os.WIFSTOPPED(status):
            return True
        self._gone, self._status = True, status
        return False


def _open_pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
