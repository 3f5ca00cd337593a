"""A switch that the processes of a worker share."""

from __future__ import annotations

import mmap


class Switch:
    """On or off, for this process and for those that are forked from it; each may turn it."""

    def __init__(self, on: bool = False) -> None:
        self._shared = memoryview(mmap.mmap(-1, mmap.PAGESIZE))
        self._shared[0] = on

    @property
    def is_on(self) -> bool:
        """How it stands."""
        return self._shared[0] == 1

    def turn(self, on: bool) -> bool:
        """Set it; whether that changed anything."""
        changed = self.is_on is not on
        self._shared[0] = on
        return changed
