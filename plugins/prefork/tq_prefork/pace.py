"""How fast children are replaced that die young."""

from __future__ import annotations

import logging

logger = logging.getLogger("tq.pool")

YOUNG = 1.0
"""A child that lived shorter than this many seconds died young."""
PATIENCE = 5
"""So many young deaths in a row are replaced at once."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0


class Pace:
    """Counts young deaths; after `PATIENCE` in a row each further one doubles the pause before a start."""

    def __init__(self) -> None:
        self.next_start = 0.0
        """No child is started before this `time.monotonic()`."""
        self._young = 0

    def ended_well(self) -> None:
        """A child did some work, or lived long enough."""
        self._young = 0
        self.next_start = 0.0

    def died(self, lived: float, now: float, cause: str) -> None:
        """A child died after `lived` seconds."""
        if lived >= YOUNG:
            self.ended_well()
            return
        self._young += 1
        if self._young < PATIENCE:
            return
        pause = min(FIRST_PAUSE * 2 ** min(self._young - PATIENCE, 10), LONGEST_PAUSE)
        self.next_start = now + pause
        logger.error(
            "%d children in a row died within %g s of their start, the last one because it %s; "
            "the next one starts in %g s",
            self._young,
            YOUNG,
            cause,
            pause,
        )
