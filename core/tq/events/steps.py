"""The events of a task's way through a worker, as records: made three times a task, and written in C.

They hold text and numbers alone, so the garbage collector has nothing to look for in them. Fields and their names:
Celery 5.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec


class TaskEvent(msgspec.Struct, tag_field="type", gc=False):
    """What all of them have; the first five say who, where and when."""

    hostname: str
    utcoffset: float
    pid: int
    clock: int
    timestamp: float
    uuid: str


class Received(TaskEvent, tag="task-received", omit_defaults=True, gc=False):
    """A worker will run it."""

    name: str
    args: str
    kwargs: str
    retries: int
    root_id: str | None = None
    parent_id: str | None = None
    eta: str | None = None
    expires: str | None = None


class Started(TaskEvent, tag="task-started", gc=False):
    """Its body runs next."""


class Succeeded(TaskEvent, tag="task-succeeded", gc=False):
    """Its body returned."""

    result: str
    runtime: float


class Failed(TaskEvent, tag="task-failed", gc=False):
    """It failed for good."""

    exception: str
    traceback: str


class Retried(TaskEvent, tag="task-retried", gc=False):
    """It will run again."""

    exception: str
    traceback: str


class Revoked(TaskEvent, tag="task-revoked", gc=False):
    """It will not run, or was ended by force."""

    terminated: bool
    signum: int | None
    expired: bool


class Rejected(TaskEvent, tag="task-rejected", gc=False):
    """Its body rejected it."""

    requeue: bool


class Way(msgspec.Struct, gc=False):
    """What became of a task so far: its first events and the last one of a success, made of this when they are sent.

    Written by the thread that runs the task: moments of the monotonic clock, 0 for what is to come. Who sends sets
    `seen` before it looks at them, and only who sends knows how much was `told`; so whoever changes what was seen has
    it sent once more, and nothing is told twice.
    """

    uuid: str
    name: str
    args: str
    kwargs: str
    retries: int
    root_id: str | None
    parent_id: str | None
    eta: str | None
    expires: str | None
    clock: int
    """The number of task-received; the next one is that of task-started."""
    received: float
    started: float = 0.0
    ended: float = 0.0
    result: str = "None"
    seen: bool = False
    told: int = 0
    """How many of the three."""
    speaks: bool = False
    """The body has sent events of its own, so the last of the three is not told in one breath with the first."""

    def speak(self) -> None:
        """Called before the body sends an event, which comes before its end then."""
        self.seen = self.speaks = True


class Teller:
    """Makes events of the ways of tasks. `who`: host name, offset and pid of all of them."""

    def __init__(self, *who: Any) -> None:
        self._received: Callable[..., TaskEvent] = partial(Received, *who)
        self._started: Callable[..., TaskEvent] = partial(Started, *who)
        self._succeeded: Callable[..., TaskEvent] = partial(Succeeded, *who)

    def events(self, taken: Iterable[Any], next_number: Callable[[], int], ahead: float) -> list[Any]:
        """The news of each way; what is none stays as it is. `ahead`: seconds of the time before the monotonic clock."""
        # One loop without calls of Python functions, for it is run for each task.
        received, started, succeeded = self._received, self._started, self._succeeded
        found: list[Any] = []
        for way in taken:
            if type(way) is not Way:
                found.append(way)
                continue
            way.seen = True
            # In this order: what has ended has also started.
            ended, begun, told = way.ended, way.started, way.told
            uuid, clock = way.uuid, way.clock
            if way.speaks and told < 2:
                ended = 0.0  # It comes once more, behind what the body has sent.
            if told == 0:
                found.append(
                    received(
                        clock,
                        way.received + ahead,
                        uuid,
                        way.name,
                        way.args,
                        way.kwargs,
                        way.retries,
                        way.root_id,
                        way.parent_id,
                        way.eta,
                        way.expires,
                    )
                )
            if begun and told < 2:
                found.append(started(clock + 1, begun + ahead, uuid))
            if ended:
                if told < 3:
                    found.append(succeeded(next_number(), ended + ahead, uuid, way.result, ended - begun))
                way.told = 3
            else:
                way.told = 2 if begun else 1
        return found


def as_event(event: TaskEvent) -> dict[str, Any]:
    """The same as a dictionary."""
    found: dict[str, Any] = msgspec.to_builtins(event)
    return found
