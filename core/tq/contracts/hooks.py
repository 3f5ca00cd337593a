"""The hooks: what a plugin can be told about, and what it can add.

A plugin writes functions of these names, marks them with `hookimpl`, and registers their module, an object or
a class (made without arguments) as an entry point of the group `tq.hooks`:

    from tq.contracts.hooks import hookimpl

    @hookimpl
    def task_success(request, result): ...

A function takes the arguments that it needs, by these names. Its order among others is pluggy's
(`hookimpl(tryfirst=True)`). The hooks are looked up once, when the worker starts or the app first publishes: a
hook that nobody implements costs nothing.

Observers (all but `tq_settings`, `tq_commands`, `tq_control_commands` and `tq_pages`) return nothing and are called one by one, in the middle of
the work: be quick and do not block. An observer may raise, but should not: its error is logged with the name of
its plugin, and disturbs neither the task nor the other observers. None may be `async def`. With a pool of
threads or greenlets the task hooks run on several of them at once.

Importing this module imports pluggy; the rest of `tq.contracts` does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, runtime_checkable

import msgspec
from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    import click

    from tq.contracts.control import CommandInfo
    from tq.contracts.pool import StopMode
    from tq.contracts.serializer import SettingsReader
    from tq.errors import Retry
    from tq.records import Delivery, Envelope, QueueStats

hookspec: Final = HookspecMarker("tq")
hookimpl: Final = HookimplMarker("tq")
"""Marks a function of a plugin as the implementation of the hook of its name."""

COLLECTING: Final = frozenset({"tq_settings", "tq_commands", "tq_control_commands", "tq_pages"})
"""The hooks that are asked for something; all others are observers."""


class WorkerInfo(Protocol):
    """One worker, as its hooks see it; `concurrency` is the number of bodies it runs at once."""

    @property
    def hostname(self) -> str: ...
    @property
    def concurrency(self) -> int: ...
    @property
    def queues(self) -> Sequence[str]: ...

    def running(self) -> int:
        """Bodies that run now."""

    def queue_stats(self) -> Sequence[QueueStats]:
        """What lies in its queues; empty where its broker cannot say. Asks the broker: from any thread of the
        worker's main process, but seldom. Raises `BrokerError`."""

    def trouble(self) -> str | None:
        """Why it takes no tasks now, as `/readyz` says; None: it does."""


class RequestInfo(Protocol):
    """One run of one task, as its hooks see it; `task` is the task's name.

    `retries` counts retries that were asked for, `attempt` the runs of this very message: more than 1 says
    that a worker died while it ran the message.
    """

    @property
    def id(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def args(self) -> Sequence[Any]: ...
    @property
    def kwargs(self) -> Mapping[str, Any]: ...
    @property
    def retries(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def queue(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, Any]: ...


@runtime_checkable
class Switchable(Protocol):
    """What a hook plugin may have besides, so that it costs nothing where nobody wants it."""

    def wanted(self, settings: SettingsReader) -> bool:
        """Whether the hooks of this plugin are to be called; asked when a worker starts and when an app first
        publishes. `tq_settings` and `tq_commands` are asked for anyway. One that raises is not wanted."""


class ExtraSetting(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that a plugin adds. `type` is anything that `msgspec.convert` checks against, `unit` is
    "seconds", "bytes", ... or empty; the value of a `secret` is never shown."""

    name: str
    type: Any
    default: Any = None
    doc: str
    unit: str = ""
    secret: bool = False


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page that a plugin adds to the worker's HTTP endpoint. `body` makes it anew for each question, on the
    endpoint's thread in the worker's main process."""

    path: str
    content_type: str
    body: Callable[[], bytes]


# -- the life of a worker ----------------------------------------------------------------------------------


@hookspec
def worker_starting(worker: WorkerInfo) -> None:
    """The worker is set up; its pool does not run, there are no children. Main process and thread, once."""


@hookspec
def worker_ready(worker: WorkerInfo) -> None:
    """The worker is known to the broker and the pool starts next. Main process and thread, once."""


@hookspec
def worker_stopping(worker: WorkerInfo, mode: StopMode) -> None:
    """The pool has stopped, as softly as `mode` says; the worker takes its leave from the broker next.

    Main process and thread, once, outside of signal handlers.
    """


@hookspec
def worker_stopped(worker: WorkerInfo) -> None:
    """All is settled or given back, the children are gone. Main process and thread, the last thing."""


@hookspec
def child_started(hostname: str, pid: int) -> None:
    """A child process of the pool was forked and has run nothing yet: open connections of its own here.

    In the child, main thread, once for each child. Pools without children never call it.
    """


@hookspec
def child_stopping(hostname: str, pid: int, exitcode: int) -> None:
    """A child ends as it should: it was stopped, or has run its number of tasks.

    In the child, main thread. A child that is killed or crashes does not get there.
    """


# -- the way of a task, in the worker ----------------------------------------------------------------------
# All on the thread and in the process of the engine or of the slot that runs the body.


@hookspec
def task_received(request: RequestInfo) -> None:
    """A task was read from its message, and will run here. On the engine's thread."""


@hookspec
def task_prerun(request: RequestInfo) -> None:
    """The body runs next. On the thread, greenlet or loop that runs it."""


@hookspec
def task_postrun(request: RequestInfo, state: str, retval: object) -> None:
    """The body ended in `state`; `retval` is what it returned, or the exception. After the four that follow.

    On the thread of the body, before anything is stored or settled: a worker that dies now runs it again.
    """


@hookspec
def task_success(request: RequestInfo, result: object, runtime: float) -> None:
    """The body returned, after `runtime` seconds. On the thread of the body, before the result is stored."""


@hookspec
def task_failure(request: RequestInfo, exception: BaseException, traceback: str) -> None:
    """The task failed for good. On the thread of the body, or, where the body was killed or its process
    died, on the thread of the worker that found out."""


@hookspec
def task_retry(request: RequestInfo, reason: Retry) -> None:
    """The task will run again: `reason.when` says when, `reason.exc` why. On the thread of the body."""


@hookspec
def task_revoked(task_id: str, name: str, reason: Literal["revoked", "expired", "terminated"]) -> None:
    """The task will not run, or was ended by force. On the engine's thread, or the worker's for the latter."""


@hookspec
def task_rejected(request: RequestInfo, reason: str, requeue: bool) -> None:
    """The body raised `Reject`: the message is dead, or goes back. On the thread of the body."""


@hookspec
def task_unknown(delivery: Delivery, name: str, task_id: str) -> None:
    """A message asks for a task that is not registered here; it is dead. On the engine's thread."""


@hookspec
def message_rejected(delivery: Delivery, reason: str) -> None:
    """What came from a queue cannot be read as a task; it is dead. On the engine's thread."""


# -- messages going out ------------------------------------------------------------------------------------
# In any process that publishes: a web application, beat, a worker that sends from a task or retries.


@hookspec
def message_publishing(envelope: Envelope, follows: Sequence[str]) -> None:
    """A message is about to be published, on the thread of the caller, once for each message of a batch.

    `follows` are the ids of the tasks that it follows in a worker, as a retry, a callback, the next of a chain or the
    body of a chord (all members). It is stored together with the end of the last one; neither of the next two is
    called for it. Empty: it is published now.

    May change `envelope.message.headers` and `.properties` in place, to carry a trace for example; the values
    must be of types that JSON has. The body is written already.
    """


@hookspec
def message_published(envelope: Envelope) -> None:
    """The broker accepted the message. On the thread of the caller; not called for a message that failed."""


@hookspec
def message_failed(envelope: Envelope, exception: BaseException) -> None:
    """The message was not accepted, or nobody knows (`BrokerUnavailable.in_doubt`), and it is not tried again. On the
    thread of the caller, which gets the exception."""


# -- additions ---------------------------------------------------------------------------------------------


@hookspec
def tq_settings() -> Sequence[ExtraSetting]:
    """Settings that this plugin adds; asked for when the configuration is first read.

    May raise: then the error is logged with the plugin's name and its settings are unknown.
    """
    raise NotImplementedError


@hookspec
def tq_commands() -> Sequence[click.Command]:
    """Commands that this plugin adds to `tq`; asked for by the command line only.

    May raise: then the error is logged with the plugin's name and the other commands work.
    """
    raise NotImplementedError


@hookspec
def tq_control_commands() -> Sequence[CommandInfo]:
    """Commands of remote control that this plugin adds to workers and to `tq inspect` and `tq control`; asked for when
    a worker starts, and by the command line. None can take the place of tq's own.

    May raise: then the error is logged with the plugin's name and the other commands work.
    """
    raise NotImplementedError


@hookspec
def tq_pages() -> Sequence[Page]:
    """Pages that this plugin adds to the worker's HTTP endpoint (`worker_health_address`); asked for when it starts.

    May raise: then the error is logged with the plugin's name and the other pages are there.
    """
    raise NotImplementedError
