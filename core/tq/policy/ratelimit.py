"""Rate limits of tasks: how they are written, and a token bucket that keeps one.

Source of the forms: Celery 5.7, `Task.rate_limit` ('10/s', '10/m', '10/h', a number of tasks a second).
"""

from __future__ import annotations

import math
import re

from tq.errors import ImproperlyConfigured

_FORM = re.compile(r"(\d+(?:\.\d+)?)(?:/([smh]))?")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST = 30.0
SLOTS = 8
_EARLY = 0.001
"""Part of a slot by which clocks may be early; the next one is later for it."""


def parse_rate(limit: str | float | None) -> float | None:
    """Tasks a second, or None for no limit (also for 0, as in Celery).

    Raises `ImproperlyConfigured` for what is no rate.
    """
    if limit is None:
        return None
    if isinstance(limit, (int, float)) and not isinstance(limit, bool):
        if math.isfinite(limit) and limit >= 0:
            return float(limit) or None
    elif isinstance(limit, str) and (form := _FORM.fullmatch(limit.strip())):
        return float(form[1]) / _SECONDS[form[2] or "s"] or None
    raise ImproperlyConfigured(
        f"{limit!r} is no rate limit; write '10/s', '100/m', '1000/h', a number of tasks a second, or None"
    )


class TokenBucket:
    """Lets `rate` tasks a second start; after a pause one may start at once, and never a burst.

    Who may not start is told when to ask again, each a slot later, so that those who wait do not all come back
    for the same token; but not later than `LONGEST` seconds or `SLOTS` slots, for others may leave meanwhile.
    """

    __slots__ = ("_booked", "_ready_at", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._ready_at = -math.inf
        self._booked = -math.inf

    def wait(self, now: float) -> float:
        """Take a token at `now` (seconds of any steady clock): 0 when the task may start, else the seconds
        until it may ask again; then nothing was taken."""
        slot = 1.0 / self.rate
        if now >= self._ready_at - slot * _EARLY:
            self._ready_at = max(now, self._ready_at) + slot
            return 0.0
        if not self._ready_at <= self._booked <= now + max(LONGEST, SLOTS * slot):
            self._booked = self._ready_at
        ask_again, self._booked = self._booked, self._booked + slot
        return ask_again - now
