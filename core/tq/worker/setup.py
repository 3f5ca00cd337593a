"""What a worker gives to its pool: makes engines, and hears about children. See `tq.contracts.pool.PoolSetup`."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tq.contracts.pool import Engine, Seat, Spawn
from tq.errors import TaskRevoked, TimeLimitExceeded
from tq.policy.batch import LARGEST, largest_for
from tq.worker.answers import Answers
from tq.worker.engine import NO_WORKER_LIMITS, InlineEngine, Limits
from tq.worker.execute import Executor
from tq.worker.link import Stores
from tq.worker.losses import Losses
from tq.worker.seat import LocalSeat
from tq.worker.slots import SlotsEngine
from tq.worker.tally import Tally

_REVOKED = ("terminated", TaskRevoked("terminated"))


@dataclass(slots=True)
class WorkerSetup:
    """The worker's side of the pool contract."""

    stores: Stores
    executor: Executor
    losses: Losses
    concurrency: int = 1
    max_tasks_per_child: int | None = None
    max_memory_per_child: int | None = None
    hostname: str = ""
    limits: Limits = NO_WORKER_LIMITS
    largest_batch: int = LARGEST
    """Deliveries to take at once for each seat, at most."""
    child_started: Callable[..., None] | None = None
    child_stopping: Callable[..., None] | None = None
    quiet: threading.Lock = field(default_factory=lambda: threading.Lock())
    """Held by the worker's own threads while they talk to a server."""

    answers: Answers | None = None
    """Knows the engines of this process; None where nobody asks."""
    tally: Tally | None = None

    def inline_engine(self, seat: Seat, *, max_tasks: int | None = None) -> Engine:
        """One body at a time, on the thread that calls `run`."""
        engine = InlineEngine(
            self.stores,
            self.executor,
            seat,
            limits=self.limits,
            max_tasks=max_tasks,
            largest_batch=self.largest_batch,
        )
        if self.answers is not None:
            self.answers.add(engine)
        return engine

    def slots_engine(self, seats: Sequence[Seat], spawn: Spawn) -> Engine:
        """As many bodies at once as there are seats."""
        engine = SlotsEngine(
            self.stores,
            self.executor,
            seats,
            spawn,
            limits=self.limits,
            largest_batch=largest_for(len(seats), self.largest_batch),
        )
        if self.answers is not None:
            self.answers.add(engine)
        return engine

    def local_seat(self) -> Seat:
        """A seat in this process."""
        return LocalSeat()

    @contextmanager
    def forking(self) -> Iterator[None]:
        """Fork inside: no thread of the worker is in the middle of a conversation with a server."""
        with self.quiet:
            yield

    def in_child(self, index: int) -> None:
        """Make this forked process independent of its parent."""
        multiprocessing.current_process().name = f"child-{index}"
        self.quiet = threading.Lock()
        if self.answers is not None:
            self.answers.in_child()
        if self.tally is not None:
            self.tally.use_row(index)
        self.stores.broker.after_fork()
        if self.stores.backend is not None:
            self.stores.backend.after_fork()
        if self.child_started is not None:
            self.child_started(hostname=self.hostname, pid=os.getpid())

    def answer(self, question: bytes) -> bytes:
        """Answer what `Pool.ask` was asked, in the child, from a thread of its own."""
        return self.answers.raw(question) if self.answers is not None else b"{}"

    def leave_child(self, index: int) -> None:
        """Tell the hooks that this child ends as it should."""
        if self.child_stopping is not None:
            self.child_stopping(hostname=self.hostname, pid=os.getpid(), exitcode=0)

    def child_died(self, seat: Seat, cause: str, *, charge: bool = True) -> None:
        """What the child held goes back; what it ran is charged."""
        self.losses.report(seat, cause, charge=charge)

    def condemn(self, seat: Seat, *, revoked: bool) -> None:
        """The child is stopped and will be killed: end what it runs where the broker would hand it out again."""
        self.losses.condemn(seat, *(_REVOKED if revoked else _late(seat)))

    def time_is_up(self, seat: Seat) -> None:
        """The child was killed for its time limit."""
        cause, verdict = _late(seat)
        self.losses.report(seat, cause, verdict=verdict)

    def terminated(self, seat: Seat) -> None:
        """The child was killed to end its body."""
        cause, verdict = _REVOKED
        self.losses.report(seat, cause, verdict=verdict)

    def child_ended(self, seat: Seat) -> None:
        """Nothing to do: the child's engine gave back what it had, and ended its consumer."""


def _late(seat: Seat) -> tuple[str, Exception]:
    limit = seat.hard_deadline - seat.started
    return f"ran into its time limit of {limit:g} s", TimeLimitExceeded(limit)
