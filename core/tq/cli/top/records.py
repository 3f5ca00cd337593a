"""What `tq top` shows, as records: made anew for each picture, and the same for people and for programs."""

from __future__ import annotations

import enum
from collections.abc import Sequence

import msgspec

from tq.records import QueueStats


class Presence(enum.Enum):
    """How a worker shows that it is there."""

    ONLINE = "online"
    """It answered the last question."""
    SILENT = "silent"
    """Its heartbeats come, but it did not answer in time: it is busy, frozen, or has no remote control."""
    LOST = "lost"
    """Neither, and it did not say that it ends."""


class WorkerRow(msgspec.Struct, frozen=True):
    """One worker. `rate` is tasks begun per second since the picture before; None: nobody said."""

    name: str
    presence: Presence
    pool: str | None = None
    slots: int | None = None
    running: int | None = None
    processed: int | None = None
    rate: float | None = None
    load: float | None = None
    """The machine's load average of one minute, from heartbeats."""
    sends_events: bool = False
    """An event of a task came from it since `tq top` runs."""


class RunningRow(msgspec.Struct, frozen=True):
    """One task that runs, for `seconds` until now."""

    id: str
    name: str
    worker: str
    seconds: float | None = None
    args: str = ""


class TaskRow(msgspec.Struct, frozen=True):
    """Rates of the tasks of one name, per second since the picture before. All but `started` come from events; None:
    there were none of this name."""

    name: str
    started: float | None = None
    succeeded: float | None = None
    failed: float | None = None
    retried: float | None = None
    mean_runtime: float | None = None
    """Seconds."""


class Totals(msgspec.Struct, frozen=True):
    """Sums over all rows; None: nobody said."""

    workers: int
    slots: int | None
    running: int | None
    processed: int | None
    rate: float | None
    ready: int | None
    oldest_age: float | None


class Snapshot(msgspec.Struct, frozen=True):
    """One picture. `trouble` says why it is old: the broker could not be asked, and is asked again."""

    at: float
    """Unix time."""
    broker: str
    totals: Totals
    queues: Sequence[QueueStats] = ()
    workers: Sequence[WorkerRow] = ()
    tasks: Sequence[TaskRow] = ()
    running: Sequence[RunningRow] = ()
    events: int = 0
    """Events that came so far."""
    trouble: str | None = None
    notes: Sequence[str] = ()
    """What cannot be seen, and what to do for it."""
