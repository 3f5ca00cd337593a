"""What ran in this process: the memory against copies of signed messages."""

from __future__ import annotations

import time
from collections.abc import Callable


class Ran:
    """Nonces of messages that were run, each for as long as a copy would be young enough to be taken.

    Nothing is remembered before `watch` is called. About 150 bytes per message of the window. Safe between
    threads: each step is one operation of a dict.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._window = 0.0
        self._until: dict[str, float] = {}

    def watch(self, window: float) -> None:
        """Remember from now on, for `window` seconds at least."""
        self._window = max(self._window, window)

    def add(self, nonce: str) -> None:
        """A message starts to run."""
        if self._window:
            now = self._clock()
            self._forget(now)
            self._until[nonce] = now + self._window

    def discard(self, nonce: str) -> None:
        """The message goes back to its queue and may come again."""
        self._until.pop(nonce, None)

    def __contains__(self, nonce: str) -> bool:
        until = self._until.get(nonce)
        return until is not None and self._clock() < until

    def __len__(self) -> int:
        return len(self._until)

    def _forget(self, now: float) -> None:
        while self._until:
            # Insertion order is the order of their ends, but where the window grew meanwhile.
            try:
                oldest, until = next(iter(self._until.items()))
            except (RuntimeError, StopIteration):
                return  # Another thread is at it.
            if until > now:
                return
            self._until.pop(oldest, None)


RAN = Ran()
"""Of the process, because serializers read messages and hooks see them run, and nothing else joins the two."""
