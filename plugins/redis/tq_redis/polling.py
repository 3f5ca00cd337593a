"""Waiting for descriptors to become readable."""

from __future__ import annotations

import select
from collections.abc import Iterable, Sequence


class Poller:
    """`select.poll` for reading. Where a library of greenlets took that away, as eventlet does, `select.select`."""

    def __init__(self, descriptors: Iterable[int]) -> None:
        self._descriptors = tuple(descriptors)
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            for descriptor in self._descriptors:
                self._poll.register(descriptor, select.POLLIN)

    def readable(self, seconds: float) -> Sequence[int]:
        """Those that can be read, or are broken; empty after so many seconds, rounded up to milliseconds."""
        return self._look(max(1, int(seconds * 1000) + 1))

    def anything(self) -> bool:
        """Whether one of them can be read, or is broken, at this moment."""
        return bool(self._look(0) if self._poll is None else self._poll.poll(0))

    def _look(self, milliseconds: int) -> Sequence[int]:
        if self._poll is not None:
            return [descriptor for descriptor, _ in self._poll.poll(milliseconds)]
        ready: list[int] = select.select(self._descriptors, (), (), milliseconds / 1000)[0]
        return ready
