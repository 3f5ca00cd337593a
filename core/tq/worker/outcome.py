"""How one run ended, as plain data."""

from __future__ import annotations

from typing import Any

import msgspec

from tq import states


class Outcome(msgspec.Struct, frozen=True):
    """`state` is one of `tq.states`; `value` the return value, or the exception for all other states.

    `dead` says why the message goes to the dead letters; `requeue` that it goes back to its queue, after
    `delay` seconds. With neither it is acknowledged.
    """

    state: str
    value: Any = None
    traceback: str | None = None
    dead: str = ""
    requeue: bool = False
    delay: float = 0.0


GIVEN_BACK = Outcome(states.PENDING, requeue=True)
"""The body never started."""
