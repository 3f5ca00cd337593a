"""How many messages a worker takes at once: as many as it will probably finish within some milliseconds.

Large batches save round trips; small ones keep what a crash repeats small, and leave messages to other
workers. 15 ms reaches more than 96 % of the rate of the largest batch (docs/architecture.md).

A fresh engine, and one that met a delivery whose holder died, takes few at once and soon more. After a crash that
a message caused, what was charged in its place so runs and is settled before its neighbours start, and is not
charged again; the neighbours come nearer to the head with each crash, until the culprit itself comes first.
"""

from __future__ import annotations

TARGET = 0.015
LARGEST = 256
_WEIGHT = 0.3
_GROWTH = 8
_OFTEN = 4
"""Where one body in so many ends within the target, it pays to have the next ones at hand."""


def largest_for(slots: int, each: int = LARGEST) -> int:
    """What to have at most, with what runs: `each` for every slot, and no more than `LARGEST` beside what runs."""
    return min(each * slots, LARGEST + (slots if slots > 1 else 0))


class BatchSize:
    """An adaptive batch size. `limit` is what to have at most, with what runs in several slots; tell `observe` how the
    last batch went."""

    def __init__(self, *, target: float = TARGET, largest: int | None = None, slots: int = 1) -> None:
        self._target = target * slots
        self._slots = slots
        self._largest = largest_for(slots) if largest is None else largest
        self._average: float | None = None
        self._warm = False
        self.limit = slots

    def restart(self) -> None:
        """The next batch is as small as the first one was."""
        self.limit = self._slots

    def observe(self, count: int, seconds: float) -> None:
        """`count` bodies took `seconds` together (divided by the slots that ran them)."""
        if count <= 0:
            return
        sample = max(seconds, 1e-9) / count
        if self._average is None or sample > self._average * 10 or not self._warm:
            # A task that turns out slow must shrink the very next batch; and the first bodies of a process took longer
            # than others will, for they also loaded what they need.
            self._warm = self._average is not None
            self._average = sample
        else:
            self._average += _WEIGHT * (sample - self._average)
        wanted = int(self._target / self._average)
        if self._slots > 1:
            # So many that the seats do not wait for the next ones; none where few seats become free meanwhile.
            wanted = self._slots + (wanted if wanted * _OFTEN >= self._slots else 0)
        self.limit = max(self._slots, min(wanted, self.limit * _GROWTH, self._largest))
