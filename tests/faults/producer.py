"""A program that goes on sending tasks whatever happens to the broker."""

from __future__ import annotations

import threading
import time

from tests.faults.app import work
from tq.errors import BrokerError


class Producer:
    """Sends `work` from a thread of its own until told to stop. What raises counts as refused."""

    def __init__(self, seconds: float, *, pause: float) -> None:
        self.accepted: list[str] = []
        self.refused = 0
        self.longest = 0.0
        self.last_error = ""
        self._seconds = seconds
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="producer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the call that is under way."""
        self._stop.set()
        self._thread.join(60)
        if self._thread.is_alive():
            raise AssertionError("a producer's call has not returned for a minute")

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self.accepted.append(work.delay(self._seconds).id)
            except BrokerError as exc:
                self.refused += 1
                self.last_error = str(exc)
            self.longest = max(self.longest, time.monotonic() - began)
            self._stop.wait(self._pause)
