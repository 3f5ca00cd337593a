"""The contract of a schedule store: it keeps what beat sends, when it is due next, and which beat leads.

Any number of beats share one store. The rules (`tq.testing.ScheduleStoreConformance` checks them):

1. A row is an entry (what users write) and a state (what beat writes), with a revision that grows by one with
   each change of either. Every write names the revision that it has read and has no effect on another one.
2. One owner leads at a time, for `lease` seconds by the store's clock. Each new leadership has a greater
   fence than all before it.
3. `advance`, by which a leader says that it sent what was due, counts only with the newest fence: a leader
   that slept through its lease changes nothing any more.
4. `Lead.version` is another one after each change of an entry by `save` or `remove`, and the same otherwise.
5. Stores with one URL and different namespaces do not see each other.
6. Every error that leaves a store is a `tq.BackendError`, with the password of the URL masked.
   `BackendUnavailable` means: try again later.

Why no tick is sent twice: the message of (entry, due time) has an id that follows from both. Whoever sends it
again, because a leader died between sending and `advance` or woke up too late, sends the same id, which brokers
with `Cap.UNIQUE` take once.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import msgspec

from tq.contracts.broker import NoOptions
from tq.options import parse_options

Misfire = Literal["skip", "once", "catch-up"]
Overlap = Literal["allow", "skip", "queue"]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One periodic task as users write it; all of it can be written as JSON.

    `schedule` is the JSON form of `tq.schedules`. The wall clock is that of the schedule's own zone, else of
    `zone` (an IANA name), else of the app. `options` are those of `apply_async`. What came too late, by more than `grace` seconds (None:
    as beat decides), is a misfire: `misfire` says whether it is left out, sent once however often it was
    missed, or made up for, the latest `catch_up` of them. `overlap` says what happens while the run before
    has not ended. `origin` is "config" for entries of the app's code, "added" for all others.
    """

    name: str
    task: str
    schedule: dict[str, Any]
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    options: dict[str, Any] = {}
    zone: str | None = None
    enabled: bool = True
    misfire: Misfire = "once"
    catch_up: int = 100
    grace: float | None = None
    overlap: Overlap = "allow"
    origin: Literal["config", "added"] = "added"


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What beat knows of an entry. Times are unix seconds.

    `next_due` None: to be reckoned from now on. `last_due` and `last_sent`: the due time of the last message,
    and when it was sent; `last_id` its task id. `sent` counts messages. `queued` are due times that wait for
    the run before (`overlap` "queue"). `series` tells due times apart that came twice because the clock was
    set back.
    """

    next_due: float | None = None
    last_due: float | None = None
    last_sent: float | None = None
    last_id: str | None = None
    sent: int = 0
    queued: list[float] = []
    series: int = 0


class Row(msgspec.Struct, frozen=True):
    """An entry in the store. `revision` 0: not there yet."""

    entry: Entry
    state: State = State()
    revision: int = 0


class Advance(msgspec.Struct, frozen=True):
    """The state of an entry after its due messages were sent; `revision` is that of the row that was read."""

    name: str
    revision: int
    state: State


class Lead(msgspec.Struct, frozen=True):
    """The answer of `lead`. `fence` None: another one leads, for `left` more seconds at most."""

    fence: int | None
    left: float
    version: int


class ScheduleCap(enum.Flag):
    """What a schedule store can do."""

    NONE = 0
    DURABLE = enum.auto()
    """What was stored survives a restart (as far as the server is set to)."""
    SHARED = enum.auto()
    """Beats in several processes may use one URL."""
    REMOTE = enum.auto()
    """On several machines too."""


class ScheduleStore(ABC):
    """A connection to a schedule store. Thread-safe; cheap to make; connects on first use.

    `namespace` keeps the apps apart that share a URL; it may be any text without control characters.
    """

    api_version: ClassVar[int] = 1
    capabilities: ClassVar[ScheduleCap] = ScheduleCap.NONE
    options_type: ClassVar[type[msgspec.Struct]] = NoOptions

    def __init__(
        self, url: str, options: Mapping[str, Any] | None = None, *, namespace: str = "default"
    ) -> None:
        self.url = url
        self.namespace = namespace
        self.options: Any = parse_options(self.options_type, url, options or {})

    @abstractmethod
    def read(self, names: Sequence[str] | None = None) -> Sequence[Row]:
        """All rows, or those of these names that are there, in no order. What cannot be read as a row is left
        out, with an error in the log: it must not stop the others."""

    @abstractmethod
    def save(self, rows: Sequence[Row]) -> Sequence[bool]:
        """Create rows (revision 0) or replace them; False for a row whose revision is another one by now."""

    @abstractmethod
    def remove(self, name: str, revision: int) -> bool:
        """Remove a row; False where its revision is another one by now, or it is not there."""

    @abstractmethod
    def lead(self, owner: str, lease: float) -> Lead:
        """Begin to lead, or go on to, for `lease` more seconds; owners are never used twice.

        An owner whose lease is over goes on with the same fence if nobody else has led since.
        """

    @abstractmethod
    def resign(self, owner: str) -> None:
        """End this owner's leadership at once; harmless where it does not lead."""

    @abstractmethod
    def advance(self, batch: Sequence[Advance], *, fence: int) -> Sequence[bool]:
        """Write states, with their revisions one greater; False where the row has another revision by now.
        All are False, and nothing is written, where the fence is not the newest.

        After an error the caller does not know, and reads.
        """

    @abstractmethod
    def close(self) -> None:
        """Close connections. Idempotent; never raises because the server is gone."""

    def after_fork(self) -> None:
        """Forget connections inherited from the parent process, without touching the parent's sockets."""
