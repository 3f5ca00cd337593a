"""The contract of a pool: a concurrency model.

The worker hands the pool a `PoolSetup`, from which it makes engines. An engine receives from the broker,
runs task bodies and settles them; the core writes it once for all pools. What a pool decides is how many
engines run, in which processes and threads, and what carries one body:

- solo: one engine, in the main thread, one body at a time.
- prefork: one engine in each child, which receives for itself; the parent only supervises.
- threads, gevent, eventlet: one engine with N slots; `spawn` starts one body on a thread or greenlet.
- asyncio: one engine with N slots; `spawn` puts coroutine bodies on a loop and plain ones in threads.

Signals belong to the worker, which calls `stop`; a pool installs no handlers in the process that it is
started in. A child process of a pool is the pool's own.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol, runtime_checkable


class PoolCap(enum.Flag):
    """What a pool can do; the worker refuses at start an option that would silently not work."""

    NONE = 0
    CONCURRENCY = enum.auto()
    """Runs more than one body at a time."""
    SOFT_LIMIT = enum.auto()
    """`soft_time_limit` raises `SoftTimeLimitExceeded` inside the body."""
    HARD_LIMIT = enum.auto()
    """`time_limit` ends the body by force."""
    TERMINATE = enum.auto()
    """`terminate`: end a running body by force; in a pool with `COROUTINES`, a coroutine."""
    RESIZE = enum.auto()
    """`resize`: change the number of slots while running."""
    RECYCLE = enum.auto()
    """`max_tasks_per_child` and `max_memory_per_child`."""
    ISOLATED = enum.auto()
    """A body that kills its process does not kill the worker."""
    COROUTINES = enum.auto()
    """`async def` bodies share one loop."""


class StopMode(enum.IntEnum):
    """How to stop; the larger the harder, and a stop never becomes softer again."""

    WARM = 1
    """Receive no more, finish what runs, give back the rest."""
    COLD = 2
    """Give everything back at once, what runs as well; its outcome will be refused."""


class ColdStop(BaseException):
    """Raised through running code by a cold stop; the delivery goes back. Never swallowed: not by tasks, which
    catch `Exception`, and not by the isolation of hooks. A pool that ends one body in its own process raises it
    as well, after `Job.revoke`."""


class Seat(Protocol):
    """A place where one body runs at a time: written by the engine, read by whoever supervises it.

    Times are `time.monotonic()` seconds, comparable between processes of one machine; 0 means none.
    A receipt of -1 means that nothing runs. Writing must cost well under a microsecond.

    `begin` and `end` are called directly around the body, on the thread, greenlet or asyncio task that runs
    it, so that a pool can raise a soft time limit between the two and never outside: it hands out seats of
    its own class. Such a seat may raise `SoftTimeLimitExceeded` out of `begin` and `end` too, at most once for
    each `begin`, so an engine calls both within the `try` that catches the body's errors, and calls `end`
    again in its handler:

        try:
            try:
                seat.begin(...)
                outcome = body()
            finally:
                seat.end()
        except BaseException as exc:
            seat.end()
            outcome = failure(exc)
    """

    consumer_id: str
    """The consumer that holds what runs here; empty before the engine has one."""

    @property
    def receipt(self) -> int:
        """What runs here, or -1."""

    @property
    def started(self) -> float:
        """When it began."""

    @property
    def soft_deadline(self) -> float:
        """When it gets `SoftTimeLimitExceeded`."""

    @property
    def hard_deadline(self) -> float:
        """When it is killed."""

    @property
    def finished(self) -> int:
        """Bodies that ended here since the start."""

    def begin(self, receipt: int, started: float, soft_deadline: float, hard_deadline: float) -> None:
        """A body starts."""

    def end(self) -> None:
        """It ended, one way or another. A second call without a `begin` between does nothing."""


@runtime_checkable
class Pulse(Protocol):
    """What a seat may have besides, so that the worker notices an engine that hangs."""

    @property
    def came_round(self) -> float:
        """When the engine last asked for messages, `time.monotonic()` seconds; 0 before it did."""

    def come_round(self) -> None:
        """The engine is about to ask for messages."""


@runtime_checkable
class Notebook(Protocol):
    """What a seat of a child may have besides, so that its parent can say what a death has lost: a task that was
    acknowledged before it ran."""

    @property
    def noted(self) -> bytes:
        """What was noted last, whole; readable when the process is dead."""

    def note(self, data: bytes) -> None:
        """Note this in place of what was noted before; empty: nothing."""


class Job(Protocol):
    """One body to run, for pools with slots. `run` never raises; it reports to the engine itself."""

    is_coroutine: bool
    soft_time_limit: float | None

    def revoke(self) -> None:
        """Call before `Pool.terminate` raises `ColdStop` in the body, or cancels it, in this process: then it is
        stored as revoked and does not go back. The engine knows by itself, so no `PoolSetup.terminated` follows."""

    def run(self) -> None:
        """Run the body to its end on the calling thread or greenlet. After a COLD stop it may go on when its
        engine has returned; its report then has no effect."""

    def arun(self) -> Awaitable[None]:
        """The same on the running event loop. The engine applies the soft time limit itself, since only the
        code around an `await` can turn a cancellation into `SoftTimeLimitExceeded`."""


Spawn = Callable[[Job, Seat], None]
"""Start a job soon, and return at once; never for more jobs than seats. Called on the engine's thread, and on the one on
which a body has just ended: within its `Job.run` or `Job.arun`, for the next job on the same seat."""


class Engine(Protocol):
    """Receives, runs, settles; made by `PoolSetup`."""

    def run(self) -> None:
        """Work until stopped; returns when all is settled or given back. Raises only for a bug or a broken
        configuration: a lost broker is waited for."""

    def stop(self, mode: StopMode) -> None:
        """Ask `run` to return, also before it began. Any thread, signal handlers too; must not block."""


class PoolSetup(Protocol):
    """What the worker gives to its pool.

    The four reports about a seat (`child_died`, `time_is_up`, `terminated`, `child_ended`) never raise, and
    return at once: a supervisor that waits for a broker enforces no time limit meanwhile. Each seat gets
    exactly one of them, when its process is gone for certain.
    """

    concurrency: int
    max_tasks_per_child: int | None
    max_memory_per_child: int | None
    """KiB of resident memory."""
    hostname: str

    def inline_engine(self, seat: Seat, *, max_tasks: int | None = None) -> Engine:
        """An engine that runs each body on the thread that calls `run`. In a main thread it raises soft
        time limits by itself (SIGALRM). Its `run` returns by itself after `max_tasks` bodies, and never
        holds more than it may still run."""

    def slots_engine(self, seats: Sequence[Seat], spawn: Spawn) -> Engine:
        """An engine that runs up to `len(seats)` bodies at once through `spawn`."""

    def local_seat(self) -> Seat:
        """A seat for engines in this process."""

    def forking(self) -> AbstractContextManager[None]:
        """Fork inside of it: then no thread of the worker is in the middle of a conversation with a server,
        or holds a lock that the child would find locked for ever."""

    def in_child(self, index: int) -> None:
        """Call first in a forked child: forgets the parent's connections, and tells the hooks."""

    def answer(self, question: bytes) -> bytes:
        """Call in a child with a question of `Pool.ask`, on a thread of its own; returns the answer, quickly."""

    def leave_child(self, index: int) -> None:
        """Call last in a forked child that ends as it should: tells the hooks."""

    def child_died(self, seat: Seat, cause: str, *, charge: bool = True) -> None:
        """The process behind `seat` is gone: what it held goes back at once. What it ran is charged with an
        attempt, unless the pool killed it for a reason that is not the task's (`charge=False`)."""

    def terminated(self, seat: Seat) -> None:
        """The body on `seat` was ended, with its process, by `Pool.terminate`: it is stored as revoked, and
        the rest goes back uncharged. Not for a body that ended in the process of its engine; see `Job.revoke`."""

    def time_is_up(self, seat: Seat) -> None:
        """The body on `seat` ran past its hard deadline and was killed, with its process, by the pool:
        its failure is stored, and the rest goes back."""

    def child_ended(self, seat: Seat) -> None:
        """The process behind `seat` ended as it should, and gave back what it had."""


@runtime_checkable
class Judge(Protocol):
    """What a `PoolSetup` may have besides, for pools whose children can be stopped and looked at before they are killed."""

    def condemn(self, seat: Seat, *, revoked: bool) -> None:
        """The process behind `seat` is stopped (SIGSTOP), and is killed next for what it runs: for its hard deadline, or
        as revoked. Called before that, for brokers that hand out again what a dead process held before anybody could
        say otherwise. Never raises; returns when that is done, or could not be done in a few seconds. One of the four
        reports follows all the same."""


class Pool(ABC):
    """One concurrency model; see the module's text."""

    api_version: ClassVar[int]
    """The version of this contract that the class was written for: 1 now. Each driver states its own."""
    capabilities: ClassVar[PoolCap] = PoolCap.NONE

    def __init__(self, setup: PoolSetup) -> None:
        self.setup = setup

    @classmethod
    def prepare(cls) -> None:
        """Called by the CLI before the application is imported; the place for monkey-patching. What the
        core imported before must look blocking primitives up when it uses them (`queue.SimpleQueue()`, not
        `from queue import SimpleQueue`)."""

    @abstractmethod
    def run(self) -> None:
        """Run the engines; returns after `stop`, when everything is settled or given back. Called on the
        main thread."""

    @abstractmethod
    def stop(self, mode: StopMode) -> None:
        """Ask `run` to return. Called from signal handlers and other threads; must not block."""

    @abstractmethod
    def seats(self) -> Sequence[Seat]:
        """The seats of engines that live now. Called from the heartbeat thread."""

    def pids(self) -> Sequence[int]:
        """Process ids of children; empty where bodies run in the worker itself."""
        return ()

    def resize(self, slots: int) -> None:
        """`PoolCap.RESIZE`: run this many slots from now on; what runs may finish."""
        raise NotImplementedError

    def replace(self, seat: Seat) -> bool:
        """The engine of `seat` hangs between two bodies: end its process by force and start another; what it
        held goes back by `PoolSetup.child_died`, uncharged. False where the pool cannot. Called from the
        heartbeat thread; must not block."""
        return False

    def ask(self, question: bytes, timeout: float) -> Mapping[int, bytes]:
        """Have `PoolSetup.answer` called in each child, and return the answers by process id; a child that does not
        answer within `timeout` seconds is left out, and gets the question all the same. Empty where bodies run in
        the worker itself. Called from one thread at a time, which is none of the pool's."""
        return {}

    def renew(self) -> bool:
        """Have new engines take the place of those that run now, each as soon as what runs on it has ended: they
        go by what the setup says then. False where the pool cannot. Called from any thread; must not block."""
        return False

    def terminate(self, seat: Seat, receipt: int, signal: int) -> bool:
        """`PoolCap.TERMINATE`: end the body of `receipt` on `seat` by that signal; False if it does not run
        there. Called from any thread. A body that ends before the signal is sent is left alone, and so is
        what follows it: then there is no `PoolSetup.terminated`, and its own outcome stands."""
        raise NotImplementedError
