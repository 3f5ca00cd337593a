"""What the steps of a delivery share: `admit`, `perform` and `conclude` read these fields and change none."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tq import states
from tq.contracts.serializer import Serializer
from tq.errors import TaskRevoked
from tq.records import Delivery
from tq.wire.call import TaskCall
from tq.worker.follow import FollowUp
from tq.worker.outcome import Outcome
from tq.worker.plan import TaskPlan
from tq.worker.revocations import Revocations
from tq.worker.run import Observers, Watch
from tq.worker.tally import Tally

logger = logging.getLogger("tq.task")


@dataclass(slots=True)
class Steps:
    """`follow_up` says what comes after a run: callbacks, chains, chords."""

    plans: Mapping[str, TaskPlan]
    readers: Mapping[str, Serializer]
    size_limit: int
    hostname: str = ""
    freeze: Callable[[Any], Any] | None = None
    """Makes a copy of a result as the result serializer will write it; None where no results are kept."""
    follow_up: Callable[[TaskCall, Outcome, Delivery], FollowUp] | None = None
    counts: bool = False
    """Whether the members of chords can be counted."""
    revocations: Revocations | None = None
    max_attempts: int | None = None
    """Runs that a message gets whose holders die; None: any number."""
    observers: Observers = field(default_factory=Observers)
    refresh: Callable[[], None] | None = None
    """Called before each batch, by the thread that admits it: may replace `observers`."""
    watch: Watch | None = None
    """Who is told of each task's way, in place of observers; changes with them."""
    tally: Tally | None = None
    clock: Callable[[], float] = time.time
    log_info: bool = field(default_factory=lambda: logger.isEnabledFor(logging.INFO))

    def _revoked(self, call: TaskCall, why: str) -> Outcome:
        logger.info("task %s[%s] %s", call.task, call.id, why)
        if self.observers.task_revoked is not None:
            self.observers.task_revoked(task_id=call.id, name=call.task, reason=why)
        return Outcome(states.REVOKED, TaskRevoked(why))
