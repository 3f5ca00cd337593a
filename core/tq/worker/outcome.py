"""How one run ended, as plain data."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING, Any

import msgspec

from tq import states
from tq.errors import Retry

if TYPE_CHECKING:
    from tq.worker.plan import TaskPlan

_OWN = os.path.dirname(__file__) + os.sep


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


def failure(plan: TaskPlan, exc: BaseException, text: str | None) -> Outcome:
    """A run that failed; whether its message goes to the dead letters is the task's choice."""
    dead = "" if plan.acks_on_failure else f"{type(exc).__name__}: {exc}"
    return Outcome(states.FAILURE, exc, text, dead=dead)


def cause_of(exc: BaseException) -> BaseException:
    """What a retry is for."""
    return exc.exc if isinstance(exc, Retry) and exc.exc is not None else exc


def traceback_text(exc: BaseException) -> str:
    """The traceback as text, without the worker's own frames at its top."""
    frames = exc.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OWN):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(exc), exc, frames))
