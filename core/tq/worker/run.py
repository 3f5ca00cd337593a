"""One delivery inside the worker, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from tq.events.steps import Way
from tq.records import Delivery
from tq.request import Request
from tq.wire.call import TaskCall
from tq.worker.outcome import Outcome
from tq.worker.plan import TaskPlan

Observer = Callable[..., None] | None
TimeLimits = tuple[float | None, float | None]
"""Soft and hard limit, seconds."""
NO_LIMITS: TimeLimits = (None, None)


@dataclass(slots=True)
class Observers:
    """The hooks of one worker, bound once; None where nobody listens."""

    task_received: Observer = None
    task_prerun: Observer = None
    task_postrun: Observer = None
    task_success: Observer = None
    task_failure: Observer = None
    task_retry: Observer = None
    task_revoked: Observer = None
    task_rejected: Observer = None
    task_unknown: Observer = None
    message_rejected: Observer = None


class Watch(Protocol):
    """Makes events of tasks, each of which nearly every task has; calls of observers would be dear."""

    def received(self, call: TaskCall) -> Way:
        """A record of what happens to a task that will run."""

    def add(self, ready: Way) -> None:
        """What was seen of it has changed."""

    def pause(self) -> None:
        """The thread of the engine will wait for the server."""


class Run(msgspec.Struct):
    """One delivery inside the worker. `outcome` is None until it is known how it ends."""

    delivery: Delivery
    call: TaskCall | None = None
    plan: TaskPlan | None = None
    request: Request | None = None
    outcome: Outcome | None = None
    started: float = 0.0
    revoked: bool = False
    """Whether what ends the body by force is a revocation, and not a stop of the worker."""

    @property
    def receipt(self) -> int:
        """The receipt as seats can note it."""
        receipt = self.delivery.receipt
        return receipt if type(receipt) is int else 0
