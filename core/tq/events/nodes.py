"""What events say of one worker and of one task."""

from __future__ import annotations

import bisect
import time
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tq import states

if TYPE_CHECKING:
    from tq.events.state import State

STATE_OF: Mapping[str, str] = {
    "sent": states.PENDING,
    "received": states.RECEIVED,
    "started": states.STARTED,
    "failed": states.FAILURE,
    "retried": states.RETRY,
    "succeeded": states.SUCCESS,
    "revoked": states.REVOKED,
    "rejected": states.REJECTED,
}
"""The state that a task event leads to; of any other its name in capitals."""
HEARTBEATS = 4
"""Heartbeats that are remembered."""
WINDOW = 2.0
"""A worker is alive this many times its frequency after its last heartbeat."""

_LATER_THAN = (
    states.SUCCESS,
    states.FAILURE,
    None,
    states.REVOKED,
    states.STARTED,
    states.RECEIVED,
    states.REJECTED,
    states.RETRY,
    states.PENDING,
)
"""States from the last to the first; None stands for custom ones. Source: Celery 5.7 `states.PRECEDENCE`."""
_OF_RECEIVED = ("name", "args", "kwargs", "parent_id", "root_id", "retries", "eta", "expires")
_WORKER = ("pid", "freq", "clock", "active", "processed", "loadavg", "sw_ident", "sw_ver", "sw_sys")
_TASK = (
    "name",
    "args",
    "kwargs",
    "eta",
    "expires",
    "retries",
    "result",
    "exception",
    "timestamp",
    "runtime",
    "traceback",
    "exchange",
    "routing_key",
    "queue",
    "clock",
    "client",
    "root_id",
    "parent_id",
)
_INFO = (
    "args",
    "kwargs",
    "retries",
    "result",
    "eta",
    "runtime",
    "expires",
    "exception",
    "exchange",
    "routing_key",
    "root_id",
    "parent_id",
)


def number(value: object, default: float) -> float:
    """A number that came in an event, if it is one to count with."""
    return float(value) if isinstance(value, int | float) and abs(value) < 1e15 else default


def _rank(state: str) -> int:
    return _LATER_THAN.index(state if state in _LATER_THAN else None)


class Worker:
    """One worker. Fields that no event named are None; `heartbeats` are moments of this machine's clock."""

    def __init__(self, hostname: str, now: Callable[[], float] = time.time) -> None:
        self.hostname = hostname
        self.pid: int | None = None
        self.freq: float = 60.0
        self.heartbeats: list[float] = []
        self.clock: int = 0
        self.active: int | None = None
        self.processed: int | None = None
        self.loadavg: Any = None
        self.sw_ident: str | None = None
        self.sw_ver: str | None = None
        self.sw_sys: str | None = None
        self._now = now

    def event(self, kind: str, received: float, fields: Mapping[str, Any]) -> None:
        """Take an event of this worker; `kind` is its type without `worker-`."""
        for name in _WORKER:
            if fields.get(name) is not None:
                setattr(self, name, fields[name])
        if kind == "offline":
            self.heartbeats.clear()
            return
        bisect.insort(self.heartbeats, received)
        del self.heartbeats[:-HEARTBEATS]

    @property
    def heartbeat_expires(self) -> float:
        """When it counts as gone unless another heartbeat comes; 0 for one that said goodbye."""
        return self.heartbeats[-1] + number(self.freq, 60.0) * WINDOW if self.heartbeats else 0.0

    @property
    def alive(self) -> bool:
        """Whether its heartbeats come."""
        return self._now() < self.heartbeat_expires

    @property
    def status_string(self) -> str:
        """ONLINE or OFFLINE."""
        return "ONLINE" if self.alive else "OFFLINE"

    @property
    def id(self) -> str:
        """Name and process id."""
        return f"{self.hostname}.{self.pid}"

    def __repr__(self) -> str:
        return f"<Worker: {self.hostname} ({self.status_string} clock:{self.clock})>"


class Task:
    """One task. Fields that no event named are None; `sent`, `received`, `started`, ... are unix times."""

    def __init__(self, uuid: str, state: State | None = None) -> None:
        self.uuid = uuid
        self.state: str = states.PENDING
        self.worker: Worker | None = None
        self.clock: int = 0
        self.timestamp: float | None = None
        self.sent: float | None = None
        self.received: float | None = None
        self.started: float | None = None
        self.succeeded: float | None = None
        self.failed: float | None = None
        self.retried: float | None = None
        self.revoked: float | None = None
        self.rejected: float | None = None
        self.name: str | None = None
        self.args: str | None = None
        self.kwargs: str | None = None
        self.eta: str | None = None
        self.expires: str | None = None
        self.retries: int | None = None
        self.result: str | None = None
        self.exception: str | None = None
        self.traceback: str | None = None
        self.runtime: float | None = None
        self.exchange: str | None = None
        self.routing_key: str | None = None
        self.queue: str | None = None
        self.client: str | None = None
        self.root_id: str | None = None
        self.parent_id: str | None = None
        self._state = weakref.ref(state) if state is not None else None

    def event(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Take an event of this task; `kind` is its type without `task-`. Events may come in any order: what
        happened before the state that is known adds to it and does not replace it."""
        state = STATE_OF.get(kind, kind.upper())
        if kind in STATE_OF:
            setattr(self, kind, fields.get("timestamp"))
        names: tuple[str, ...] = _TASK
        if states.RETRY not in (state, self.state) and _rank(state) > _rank(self.state):
            names = (
                _OF_RECEIVED
                if state == states.RECEIVED
                else tuple(n for n in _TASK if n not in ("timestamp", "clock"))
            )
        else:
            self.state = state
        for name in names:
            if fields.get(name) is not None:
                setattr(self, name, fields[name])

    @property
    def ready(self) -> bool:
        """Whether it has ended."""
        return self.state in states.READY_STATES

    @property
    def id(self) -> str:
        """The task id."""
        return self.uuid

    @property
    def parent(self) -> Task | None:
        """The task that sent this one, where it is still known."""
        return self._other(self.parent_id)

    @property
    def root(self) -> Task | None:
        """The first task of the tree, where it is still known."""
        return self._other(self.root_id)

    @property
    def origin(self) -> str | None:
        """The worker's id, or who sent it."""
        return self.client if self.worker is None else self.worker.id

    def info(self, fields: tuple[str, ...] | None = None, extra: tuple[str, ...] = ()) -> dict[str, Any]:
        """The known ones of these fields."""
        names = (*(_INFO if fields is None else fields), *extra)
        return {name: value for name in names if (value := getattr(self, name, None)) is not None}

    def as_dict(self) -> dict[str, Any]:
        """All that is known, as plain values."""
        known = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return {**known, "worker": self.worker and self.worker.hostname}

    def _other(self, uuid: str | None) -> Task | None:
        state = self._state() if self._state is not None else None
        return state.tasks.get(uuid) if state is not None and uuid else None

    def __repr__(self) -> str:
        return f"<Task: {self.name}({self.uuid}) {self.state} clock:{self.clock}>"
