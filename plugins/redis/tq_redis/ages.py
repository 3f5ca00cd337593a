"""For how long messages wait, as their senders wrote it: lists of Redis know no times."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from tq.wire.envelope import READY_AT

END: Final = 200
"""Bytes at the end of a message in which the last property lies."""
# Inside a text a quote is escaped, so this is the key of an object.
_READY_AT: Final = re.compile(rb'"%b":\s*(\d{1,12}(?:\.\d{1,9})?)\}' % READY_AT.encode())


def oldest_age(ends: Iterable[bytes], now: float) -> float | None:
    """Seconds for which the oldest of these messages is ready, given their ends; None where none of them says it, as
    with Celery's clients."""
    found = [float(each[1]) for end in ends if (each := _READY_AT.search(end))]
    return max(0.0, now - min(found)) if found else None
