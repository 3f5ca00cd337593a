"""Engines one after the other, for pools whose bodies run in the worker's own process."""

from __future__ import annotations

from collections.abc import Callable

from tq.contracts.pool import Engine, StopMode


class Rounds:
    """An engine that can be renewed: `renew` ends the one that runs, as softly as a warm stop, and makes another."""

    def __init__(self, make: Callable[[], Engine]) -> None:
        self._make = make
        self._engine = make()
        self._mode: StopMode | None = None

    def run(self) -> None:
        """Run engines until stopped, or until one ends by itself."""
        while True:
            engine = self._engine
            engine.run()
            if self._mode is not None or self._engine is engine:
                return

    def stop(self, mode: StopMode) -> None:
        """See `Engine.stop`."""
        self._mode = StopMode(max(mode, self._mode or mode))
        self._engine.stop(mode)

    def renew(self) -> None:
        """From any thread."""
        before = self._engine
        self._engine = after = self._make()
        before.stop(StopMode.WARM)
        if self._mode is not None:  # A stop came meanwhile, and may have met the older one.
            after.stop(self._mode)
