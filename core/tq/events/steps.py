"""The events of a task's way through a worker, as records: made three times a task, and written in C.

They hold text and numbers alone, so the garbage collector has nothing to look for in them. Fields and their names:
Celery 5.7.
"""

from __future__ import annotations

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


def as_event(event: TaskEvent) -> dict[str, Any]:
    """The same as a dictionary."""
    found: dict[str, Any] = msgspec.to_builtins(event)
    return found
