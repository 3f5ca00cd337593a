"""Findings that several brokers and result backends make."""

from __future__ import annotations

from typing import Final

from tq.records import Finding, Severity

SKEW: Final = 2.0
"""Seconds between two clocks from which on times of tasks are visibly wrong."""


def of_clock(server: str, theirs: float, before: float, after: float) -> list[Finding]:
    """What to say where a server (named as in a sentence, without password) said it is `theirs`, asked between
    `before` and `after` of this machine's clock; nothing where they agree."""
    skew = min(0.0, theirs - before) or max(0.0, theirs - after)
    if abs(skew) <= SKEW:
        return []
    how = "ahead of" if skew > 0 else "behind"
    return [
        Finding(
            Severity.WARNING,
            f"the clock of {server} is {abs(skew):.0f} s {how} this machine's",
            "run NTP on both: ETAs, expiry and periodic tasks go by these clocks",
        )
    ]
