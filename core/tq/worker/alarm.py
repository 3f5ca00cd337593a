"""Soft time limits in a main thread, by the interval timer and SIGALRM."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from tq.errors import SoftTimeLimitExceeded


class Alarm:
    """Raises `SoftTimeLimitExceeded` in the main thread while armed. Makes and uses nothing elsewhere."""

    def __init__(self) -> None:
        self.works = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
        self._armed = False
        self._limit = 0.0
        if self.works:
            signal.signal(signal.SIGALRM, self._ring)

    def arm(self, seconds: float) -> None:
        """Ring once after `seconds`."""
        if self.works:
            self._limit = seconds
            self._armed = True
            signal.setitimer(signal.ITIMER_REAL, seconds)

    def disarm(self) -> None:
        """Ring no more."""
        if self._armed:
            self._armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, signum: int, frame: FrameType | None) -> None:
        # The timer can expire between the end of a body and `disarm`.
        if self._armed:
            self._armed = False
            raise SoftTimeLimitExceeded(self._limit)
