"""Snapshots: a camera looks at the state of the cluster from time to time, to write it down somewhere.

    from tq.events import Camera

    class DumpCamera(Camera):
        clear_after = True

        def on_shutter(self, state):
            print(len(state.tasks), "tasks,", len(state.alive_workers()), "workers")

`tq events --camera module.DumpCamera --frequency 2`, or `with DumpCamera(state, freq=2): receiver.capture()`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tq.events.state import State
from tq.policy.ratelimit import parse_rate

logger = logging.getLogger("tq.events")


class Camera:
    """Calls `on_shutter` each `freq` seconds, at most as often as `maxrate` says (`"10/m"`), and `on_cleanup` each
    `cleanup_freq` seconds, on a thread of its own. With `clear_after` what has ended is forgotten after each snapshot.

    Celery's name for it is `Polaroid`.
    """

    clear_after: bool = False

    def __init__(
        self,
        state: State,
        freq: float = 1.0,
        maxrate: str | float | None = None,
        cleanup_freq: float = 3600.0,
    ) -> None:
        self.state = state
        self.freq = freq
        self.cleanup_freq = cleanup_freq
        rate = parse_rate(maxrate)
        self._least = 1.0 / rate if rate else 0.0
        self._taken = -self._least
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen = -1

    def on_shutter(self, state: State) -> None:
        """Write the state down; nothing changes meanwhile. What it raises is logged."""

    def on_cleanup(self) -> None:
        """Remove what is too old."""

    def install(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="tq-camera", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """End, with a last snapshot."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def capture(self) -> None:
        """Take a snapshot now."""
        self._seen = self.state.event_count
        self.state.freeze_while(self.on_shutter, self.state, clear_after=self.clear_after)
        if self.clear_after:
            self._seen = 0

    def shutter(self) -> bool:
        """Take a snapshot if the rate allows and anything happened since the last one."""
        if self.state.event_count == self._seen:
            return False
        if time.monotonic() - self._taken < self._least:
            return False
        self._taken = time.monotonic()
        self.capture()
        return True

    def _run(self) -> None:
        cleaned = time.monotonic()
        while not self._ended.wait(self.freq):
            self._guarded(self.shutter)
            if time.monotonic() - cleaned >= self.cleanup_freq:
                cleaned = time.monotonic()
                self._guarded(self.on_cleanup)
        if self.state.event_count != self._seen:
            self._guarded(self.capture)

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:
            logger.exception("the camera %s goes on after an error", type(self).__name__)

    def __enter__(self) -> Self:
        self.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
