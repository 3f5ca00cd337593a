"""A stage for one scenario: a store, workers, a ledger, a client's app, and the book of faults."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.faults.app import app, work
from tests.faults.producer import Producer
from tests.faults.proxy import Proxy
from tests.faults.row import LEASE, RECOVERY, Row
from tests.faults.runs import Book, Fault, Run, Tally, tally
from tests.faults.stores import LEASES, QUEUE, Servers, Store
from tests.processes import Ledger, NotInTime, Program, Workers, eventually
from tq import group
from tq.records import QueueStats

KNOWN_AFTER = 1.0
"""Seconds after which the broker has surely been told what a worker runs."""
CALL_DEADLINE = 2.0
RESULTS_PATIENCE = 20.0


class Stage:
    """See the module's text. `proxied`: clients and workers go through `proxy`, the test itself does not."""

    def __init__(self, kind: str, servers: Servers, folder: Path, *, proxied: bool = False) -> None:
        self._stack = ExitStack()
        self.servers = servers
        self.folder = folder
        self.store: Store = servers.store(kind, folder)
        self.ledger = Ledger(folder / "ledger.txt")
        self._book = Book()
        self.faults: list[Fault] = []
        self.wrong: list[str] = []
        self.late: list[str] = []
        self.programs: list[Program] = []
        self.notes: list[str] = []
        self.slack = 0.0
        """Seconds that a finished task may be on its way to the broker's books, beyond those of a quick machine."""
        self.outlives_lease = False
        """The fault takes longer than a lease, so that a worker rightly finds itself declared dead."""
        self.producer: Producer | None = None
        self.url = self.store.url
        if proxied:
            assert self.store.server is not None
            self.proxy = Proxy(self.store.server.port)
            self._stack.callback(self.proxy.close)
            self.url = self.store.behind(self.proxy.port)
        self.backend = self.url if self.store.results == self.store.url else self.store.results
        self.connect()

    def connect(self, **settings: Any) -> None:
        """Make the client's app one of this stage, with these settings."""
        app.close()
        given: dict[str, Any] = {"broker_publish_timeout": CALL_DEADLINE, **settings}
        app.conf.update(broker_url=self.url, result_backend=self.backend, **given)
        self._workers = Workers("tests.faults.app", self.url, self.backend, self.ledger)
        self._stack.callback(self._workers.close)

    def close(self) -> None:
        """End all that was started."""
        if self.producer is not None:
            self.producer.stop()
        self._stack.close()
        app.close()

    def disconnect(self) -> None:
        """End the client's connections, before what they lead to ends."""
        app.close()

    # -- actors --------------------------------------------------------------------------------------------

    def worker(self, slots: int = 2, *more: str, pool: str = "prefork", **settings: object) -> Program:
        """Start a worker with the shortest lease, and wait until it is ready."""
        given: dict[str, Any] = {"broker_lease": LEASE, **settings}
        slot_option = () if pool == "solo" else ("-c", str(slots))
        program = self._workers.start(*slot_option, *more, pool=pool, **given)
        self.programs.append(program)
        return program

    def flood(self, count: int, seconds: float) -> list[str]:
        """The same in large batches, for many."""
        sizes = [min(500, count - at) for at in range(0, count, 500)]
        sent = [group(work.s(seconds) for _ in range(size)).apply_async(timeout=60.0) for size in sizes]
        return [result.id for each in sent for result in each.results]

    def send(self, count: int, seconds: float, **options: Any) -> list[str]:
        """Send tasks that take so long, and return their ids."""
        return [work.apply_async([seconds], timeout=60.0, **options).id for _ in range(count)]

    def produce(self, seconds: float, *, pause: float = 0.005) -> Producer:
        """Start a producer."""
        self.producer = Producer(seconds, pause=pause)
        return self.producer

    # -- faults --------------------------------------------------------------------------------------------

    def fault(self) -> None:
        """Write down that a fault happens now."""
        now = time.time()
        self.faults.append(Fault(now, now))

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Write down a fault that lasts as long as the block."""
        began = time.time()
        try:
            yield
        finally:
            self.faults.append(Fault(began, time.time()))

    # -- what happened -------------------------------------------------------------------------------------

    def runs(self) -> list[Run]:
        """All executions until now."""
        return self.book().runs

    def book(self) -> Book:
        """All that the ledger says until now."""
        self._book.read(self.ledger.new_lines())
        return self._book

    def running(self, *, since: float = 0.0) -> list[Run]:
        """Executions of processes that live, under way for at least so long."""
        now = time.time()
        return [r for r in self.runs() if r.end is None and now - r.start >= since and _lives(r.pid)]

    def ended(self, count: int, seconds: float = 300.0) -> None:
        """Wait until so many executions have ended; what does not end is lost, and no matter of time."""
        try:
            eventually(
                lambda: self.book().ends >= count,
                lambda: f"{count} ends; {len(self.runs())} started",
                seconds=seconds,
            )
        except NotInTime as exc:
            raise AssertionError(str(exc)) from exc

    def recovered(self, since: float, seconds: float = 60.0) -> float:
        """Wait until a task has started after `since`, and return how long after (seconds)."""

        def first() -> float | None:
            return min((run.start for run in self.runs() if run.start > since), default=None)

        start = self.until(first, "a task that starts after the fault", seconds)
        return float(start) - since

    def until(
        self, condition: Callable[[], Any], what: str | Callable[[], str], seconds: float = 60.0
    ) -> Any:
        """Wait for a condition."""
        return eventually(condition, what, seconds=seconds)

    def stats(self) -> QueueStats:
        """What lies in the queue."""
        return app.broker.stats(QUEUE)

    def settle(self, sent: Collection[str], seconds: float = 30.0) -> Tally:
        """Wait until all that was sent has ended and the broker's books are empty; then count.

        What has not ended when nothing ended for so many seconds is counted as lost, and what never leaves the
        books is written down as wrong.
        """
        wanted = set(sent)
        ends = 0
        newest = time.monotonic()

        def all_ended() -> bool:
            nonlocal ends, newest
            book = self.book()
            if book.ends > ends:
                ends, newest = book.ends, time.monotonic()
            if time.monotonic() - newest > seconds:
                raise AssertionError(f"nothing ended for {seconds:g} s;")
            return wanted <= book.ended

        def nothing_left() -> bool:
            left = self.stats()
            return not (left.ready or left.delayed or left.in_flight)

        try:
            eventually(all_ended, "all ends", seconds=math.inf, every=0.1)
            eventually(nothing_left, "empty books", seconds=RECOVERY + 10, every=0.1)
        except AssertionError as exc:
            dead = [letter.reason for letter in app.broker.dead_letters(QUEUE, limit=5)]
            self.wrong.append(f"{exc} {self.stats()} {dead or ''}")
        faults = self.faults
        if self.stalled() and not self.outlives_lease:
            # Then its tasks were given to others, and both may end.
            self.late.append(
                "the machine stood still for longer than a lease, and a worker was taken for dead"
            )
            faults = [Fault(0.0, time.time()), *faults]
        faults = [Fault(fault.start - self.slack, fault.end) for fault in faults]
        return tally(self.runs(), sent, faults, KNOWN_AFTER)

    def stalled(self) -> bool:
        """Whether a worker has found itself declared dead, or its time with a message over."""
        words = ("was declared dead", "came too late: the lease was lost")
        return any(word in program.output() for program in self.programs for word in words)

    def require(self, condition: object, what: str) -> None:
        """Note `what` as wrong unless the condition holds."""
        if not condition:
            self.wrong.append(what)

    def require_in_time(self, condition: object, what: str) -> None:
        """Note `what` as late unless the condition holds: a slow machine is no loss."""
        if not condition:
            self.late.append(what)

    def each_once(self, row: Row) -> Row:
        """Require as many executions as tasks, unless the machine stood still meanwhile."""
        wrong = row.executed != row.sent and not self.stalled()
        self.require(not wrong, f"{row.executed} executions of {row.sent} tasks")
        return row

    def results(self, sent: Collection[str]) -> None:
        """Require that each of these has a stored success."""
        names = list(sent)
        deadline = time.monotonic() + RESULTS_PATIENCE
        # A body ends before its result is stored, and RabbitMQ does not say that its message is still held.
        while (missing := self._without_success(names)) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.require(not missing, f"{missing} results are not there")

    def _without_success(self, names: list[str]) -> int:
        assert app.backend is not None
        missing = 0
        for start in range(0, len(names), 200):
            part = names[start : start + 200]
            found = app.backend.get(part)
            missing += sum(name not in found or found[name].status != "SUCCESS" for name in part)
        return missing

    def row(
        self,
        scenario: str,
        sent: Collection[str],
        *,
        seconds: float = 30.0,
        recovery: float | None = None,
        recovery_limit: float = RECOVERY,
        results: bool = True,
    ) -> Row:
        """Wait for the end of everything, and count."""
        found = self.settle(sent, seconds)
        if results and not found.lost:
            self.results(sent)
        if found.uncharged and self.store.kind not in LEASES:
            self.notes.append(f"{len(found.uncharged)} of the runs cut short were not counted as attempts")
        elif found.uncharged:
            self.late.append(f"{len(found.uncharged)} interrupted runs were not counted as attempts in time")
        times = [time for time in (found.recovery, recovery) if time is not None]
        producer = self.producer
        return Row(
            scenario=scenario,
            broker=self.store.kind,
            sent=found.sent,
            refused=producer.refused if producer else 0,
            executed=found.executed,
            lost=len(found.lost),
            doubled=len(found.doubled),
            repeated=len(found.repeated),
            interrupted=len(found.interrupted),
            recovery=max(times, default=None),
            longest_call=producer.longest if producer else None,
            call_deadline=CALL_DEADLINE,
            recovery_limit=recovery_limit,
        )


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
