"""Lamport's clock: which of two events of different processes came first.

Each message of events and remote control carries it, and who reads one goes beyond it: max(own, remote) + 1.
"""

from __future__ import annotations

import mmap

LARGEST = 2**53
"""What is said to be later than this is no clock: it would leave no room to count."""


class Clock:
    """Grows by itself. Numbers of one thread always grow; two threads may get the same number."""

    def __init__(self) -> None:
        self._own = 0
        self._shared = memoryview(bytearray(8)).cast("Q")

    @property
    def value(self) -> int:
        """The number that was given last."""
        return max(self._own, self._shared[0])

    def forward(self) -> int:
        """The next number."""
        # Another process may write an older number into the shared place; this one never goes back.
        number = self._own = max(self._own, self._shared[0]) + 1
        self._shared[0] = number
        return number

    def adjust(self, other: object) -> int:
        """Go beyond the number of another process; what is no such number is left out of account."""
        if type(other) is int and self.value < other < LARGEST:
            self._own = other
        return self.forward()

    def share(self) -> None:
        """Count together with the processes that are forked from now on."""
        shared = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")
        shared[0] = self.value
        self._shared = shared
