"""Notices that the store's clock was put forward, which would end the leases of all who live at once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

TOLERANCE = 1.0
"""Seconds that the store's clock may be put forward at once without being held to have jumped."""


class Jumps:
    """`tell` is given each reading of the store's clock; `after_one` says whether a jump is less than a lease ago.

    `lease`, seconds: within it after a jump everybody who lives has beaten again, by the new time.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.lease: float = 0.0
        self._clock = clock
        self._asked = -math.inf
        self._said = 0.0
        self._until = -math.inf

    def tell(self, asked: float, said: float) -> None:
        """At `asked` (monotonic seconds) the store was asked for its time, and it said that."""
        if said - self._said > self._clock() - self._asked + TOLERANCE:
            self._until = self._clock() + self.lease
        self._asked, self._said = asked, said

    def after_one(self) -> bool:
        """Whether leases must not be held to have ended now."""
        return self._clock() < self._until
