"""A seat on a thread, and the handshake that keeps a soft time limit inside the body.

Python delivers an asynchronous exception at some later instruction of the thread, wherever that is by then. So
the thread tells the watchdog where the body begins and ends, without a lock, since an exception may come while
a lock is being taken:

- The watchdog says that it is at the seat (`visited`), checks that the body it came for still runs, raises.
- The thread, at the end of the body, takes its deadline away, waits until no visit is under way, and withdraws
  an exception that was raised but not delivered yet.
"""

from __future__ import annotations

import ctypes
import threading
import time
from typing import Protocol

from tq.errors import SoftTimeLimitExceeded

_set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set_exception.argtypes = (ctypes.c_ulong, ctypes.py_object)


class Watch(Protocol):
    """Who looks at deadlines."""

    def expect(self, deadline: float) -> None:
        """A body began whose soft deadline is this; called on the thread that is about to run it."""


class ThreadSeat:
    """What runs on one thread; see `tq.contracts.pool.Seat`."""

    __slots__ = (
        "_ran_out",
        "_run",
        "_thread",
        "_visited",
        "_watch",
        "consumer_id",
        "finished",
        "hard_deadline",
        "receipt",
        "soft_deadline",
        "started",
    )

    def __init__(self, watch: Watch) -> None:
        self.consumer_id = ""
        self.receipt = -1
        self.started = 0.0
        self.soft_deadline = 0.0
        self.hard_deadline = 0.0
        self.finished = 0
        self._watch = watch
        self._thread = 0
        self._run = 0
        self._ran_out = 0
        self._visited = False

    # -- on the thread of the body -------------------------------------------------------------------------

    def begin(self, receipt: int, started: float, soft_deadline: float, hard_deadline: float) -> None:
        """A body starts on this thread."""
        self._run += 1
        self.started = started
        self.hard_deadline = hard_deadline
        self.receipt = receipt
        if soft_deadline:
            self._thread = threading.get_ident()
            self.soft_deadline = soft_deadline
            self._watch.expect(soft_deadline)

    def end(self) -> None:
        """It ended; afterwards nothing is raised in this thread any more."""
        if self.soft_deadline:
            # From here on nobody starts to raise. Should what was raised already come out of one of these
            # lines, then nothing is left to withdraw, and the engine's second call does the rest.
            self.soft_deadline = 0.0
            while self._visited:
                time.sleep(0)
            if self._ran_out == self._run:
                _withdraw(self._thread)
        if self.receipt != -1:
            self.receipt = -1
            self.finished += 1

    # -- on the watchdog's thread --------------------------------------------------------------------------

    def due(self) -> float:
        """The soft deadline that was not kept yet; 0 for none."""
        return 0.0 if self._ran_out == self._run else self.soft_deadline

    def visit(self, now: float) -> None:
        """Raise `SoftTimeLimitExceeded` in the body if its time is over; once for each body."""
        # A body with a deadline cannot pass its end during the visit, so `_run` is its number.
        self._visited = True
        if 0.0 < self.due() <= now:
            self._ran_out = self._run
            _set_exception(self._thread, SoftTimeLimitExceeded)
        self._visited = False


def _withdraw(thread: int) -> None:
    """Let an exception that may be on its way to this thread, the calling one, come out here.

    Clearing it with a null pointer would leave the interpreter's mark that one is under way: Python 3.11 then
    checks at every call, and under a debugger or coverage it hangs there for ever.
    """
    try:
        _set_exception(thread, SoftTimeLimitExceeded)  # takes the place of the one on its way
        while True:
            time.sleep(0)
    except SoftTimeLimitExceeded:
        return
