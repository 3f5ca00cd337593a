"""The contract of a result backend: it keeps the last state of a task until it expires.

The rules (`tq.testing.ResultBackendConformance` checks them):

1. SUCCESS is final: a later `store` of any other state for that id changes nothing.
   Why: a worker that was taken for dead reports late, after its successor.
2. `get` of an unknown id leaves it out of the answer; nothing is invented.
   Why: whether an unknown task is pending or was never sent is for the caller to say.
3. `wait` returns as soon as one of the ids is ready, without polling where the store can push.
   Why: thousands of callers wait at once, and each poll is a round trip.
4. Documents have Celery's shape (`TaskMeta`), so that Celery's `AsyncResult` reads them and the other way.
   Why: systems move over one program at a time.
5. Every error that leaves a backend is a `tq.BackendError`, with the password of the URL masked.
   Why: the core catches this class and no other, and logs have many readers.

Groups (`BackendCap.GROUPS`), on which chords rest:

6. A member counts once: of several parts with one group, task and index, the first stands.
   Why: messages come again, so members end again; a counter that only adds completes a chord too early.
7. The part that completes a group is answered with `claimed` and with all parts, and so is the first part that
   did not succeed, complete or not. From then on the same task and index is answered so again each time that it
   is counted, until `end_groups`; nobody else ever is. So a worker that dies between counting and sending what
   follows repeats it when its message comes back, and nobody else sends it as well.
8. After `end_groups`, and for a group that was never started, no part is claimed.
9. `start_group` of a group that is known changes nothing, unless it is `fresh`: then the group starts anew.
10. What is kept of a group goes away like a result, `expires` seconds after the last change.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from tq.contracts.broker import NoOptions
from tq.errors import ImproperlyConfigured
from tq.options import mask_url, parse_options

if TYPE_CHECKING:
    from tq.contracts.broker import Broker
    from tq.contracts.serializer import Serializer
    from tq.records import Finding, GroupCount, GroupPart, GroupStart, TaskMeta


class BackendCap(enum.Flag):
    """What a result backend can do by itself."""

    NONE = 0
    PUSH = enum.auto()
    """`wait` is woken by the store instead of polling."""
    EXPIRES = enum.auto()
    """Results go away by themselves after their time to live; otherwise `cleanup` removes them."""
    DURABLE = enum.auto()
    """What was stored survives a restart (as far as the server is set to)."""
    SHARED = enum.auto()
    """Several processes may use one URL."""
    REPLIES = enum.auto()
    """Documents go to the process that asked for the task, and nobody else can read them: `over`, `address` and
    `listen`. Rules 1 to 3 hold for that process."""
    GROUPS = enum.auto()
    """Counts the ends of the members of a group: chords work."""


class ResultBackend(ABC):
    """A connection to a result store. Thread-safe; cheap to make; connects on first use.

    `serializer` writes results (`result_serializer`); `expires` is their time to live in seconds, None for
    ever (`result_expires`).
    """

    api_version: ClassVar[int]
    """The version of this contract that the class was written for: 1 now. Each driver states its own."""
    capabilities: ClassVar[BackendCap] = BackendCap.NONE
    options_type: ClassVar[type[msgspec.Struct]] = NoOptions

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any] | None = None,
        *,
        serializer: Serializer,
        expires: float | None = 86400.0,
    ) -> None:
        self.url = url
        self.serializer = serializer
        self.expires = expires
        self.options: Any = parse_options(self.options_type, url, options or {})

    @abstractmethod
    def store(self, batch: Sequence[TaskMeta]) -> None:
        """Keep the state of these tasks, and wake who waits for them.

        Raises `BackendUnavailable` where it is not sure that all were stored; storing again is harmless.
        """

    @abstractmethod
    def get(self, task_ids: Sequence[str]) -> Mapping[str, TaskMeta]:
        """The documents of those tasks that are known."""

    @abstractmethod
    def wait(self, task_ids: Sequence[str], timeout: float) -> Mapping[str, TaskMeta]:
        """Wait up to `timeout` seconds until at least one of the tasks is ready (SUCCESS, FAILURE, REVOKED);
        return all that are ready, or nothing when the time is over."""

    @abstractmethod
    def forget(self, task_ids: Sequence[str]) -> None:
        """Remove what is known of these tasks."""

    @abstractmethod
    def close(self) -> None:
        """Close connections. Idempotent; never raises because the server is gone."""

    def over(self, broker: Broker) -> None:
        """`BackendCap.REPLIES`: results travel through this broker. Called once, right after `__init__`; connects
        to nothing. Raises `ImproperlyConfigured` for a broker that cannot carry them."""
        raise NotImplementedError

    def address(self) -> str:
        """`BackendCap.REPLIES`: what calls of this process name as `reply_to`; connects to nothing."""
        raise NotImplementedError

    def listen(self) -> None:
        """`BackendCap.REPLIES`: results of what is sent from now on will be heard. Called before each publish,
        so it must be cheap. Raises `BackendUnavailable`."""
        raise NotImplementedError

    def after_fork(self) -> None:
        """Forget connections inherited from the parent process, without touching the parent's sockets."""

    def cleanup(self) -> int:
        """Remove expired documents where the store does not (`BackendCap.EXPIRES`); returns how many."""
        return 0

    def findings(self) -> Sequence[Finding]:
        """What about the server's set-up may lose results (for `tq doctor`), as `Broker.findings`. Raises
        `BackendError`."""
        return ()

    # -- groups (`BackendCap.GROUPS`) ------------------------------------------------------------------------

    def start_group(self, group: GroupStart, *, fresh: bool = False) -> None:
        """Begin to count the members of a group."""
        raise self._no_groups()

    def count(self, parts: Sequence[GroupPart]) -> Sequence[GroupCount]:
        """Note that these members have ended; an answer for each part. Counting again is harmless."""
        raise self._no_groups()

    def grow_group(self, group_id: str, task_id: str) -> None:
        """Expect one more member; saying it again for the same task is harmless."""
        raise self._no_groups()

    def end_groups(self, group_ids: Sequence[str]) -> None:
        """What follows these groups is safely sent: forget the parts, and claim nothing of them any more."""
        raise self._no_groups()

    def save_group(self, group_id: str, structure: Any) -> None:
        """Keep the ids of a group of results, for `load_group`; in Celery's form."""
        raise self._no_groups()

    def load_group(self, group_id: str) -> Any | None:
        """What `save_group` kept, or None."""
        raise self._no_groups()

    def forget_group(self, group_id: str) -> None:
        """Remove what `save_group` kept."""
        raise self._no_groups()

    def _no_groups(self) -> ImproperlyConfigured:
        return ImproperlyConfigured(
            f"{type(self).__name__} ({mask_url(self.url)}) cannot count the members of a group, so chords and saved "
            "groups do not work there; use Redis, an SQL database or memory as result_backend"
        )
