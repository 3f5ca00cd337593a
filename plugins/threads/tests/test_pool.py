"""Bodies on threads: side by side, with soft limits, to a warm and to a cold end."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.pools.leaving import run_until_cold_stop
from tests.pools.workshop import Workshop, until
from tq.contracts.pool import StopMode
from tq.errors import SoftTimeLimitExceeded
from tq.pools.thread_seat import ThreadSeat
from tq.pools.watchdog import Watchdog
from tq_threads import ThreadsPool


class Running:
    """A pool at work on a thread of its own."""

    def __init__(self, workshop: Workshop) -> None:
        self.pool = ThreadsPool(workshop)
        self.thread = threading.Thread(target=self.pool.run, daemon=True)
        self.thread.start()

    def stop(self, mode: StopMode, within: float = 5.0) -> None:
        self.pool.stop(mode)
        self.thread.join(within)
        assert not self.thread.is_alive(), f"the pool did not return within {within} s"


@contextlib.contextmanager
def at_work(workshop: Workshop) -> Iterator[Running]:
    running = Running(workshop)
    try:
        yield running
    finally:
        running.stop(StopMode.COLD)


def spin(seconds: float) -> None:
    """Compute, so that an exception can come at any instruction."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_as_many_bodies_run_at_once_as_there_are_threads() -> None:
    together = threading.Barrier(3)
    workshop = Workshop(*[lambda: together.wait(5)] * 6, concurrency=3)
    with at_work(workshop) as running:
        until(lambda: len(workshop.engine.outcomes) == 6)
        assert sorted(workshop.engine.outcomes.values()) == [0, 0, 1, 1, 2, 2]
        assert sum(seat.finished for seat in running.pool.seats()) == 6


def test_the_soft_limit_is_raised_inside_the_body() -> None:
    cleaned = []

    def body() -> str:
        try:
            spin(30)
        except SoftTimeLimitExceeded:
            cleaned.append(True)
            return "cleaned up"
        return "never"

    workshop = Workshop(body, lambda: "quick", soft_time_limit=0.1)
    with at_work(workshop):
        until(lambda: len(workshop.engine.outcomes) == 2)
        assert workshop.engine.outcomes == {0: "cleaned up", 1: "quick"}


def test_a_soft_limit_that_nobody_catches_ends_the_body_and_not_its_thread() -> None:
    workshop = Workshop(lambda: spin(30), lambda: "next", concurrency=1, soft_time_limit=0.05)
    with at_work(workshop):
        until(lambda: len(workshop.engine.outcomes) == 2)
        assert isinstance(workshop.engine.outcomes[0], SoftTimeLimitExceeded)
        assert workshop.engine.outcomes[1] == "next"


@pytest.fixture
def busy_switching() -> Iterator[None]:
    """Threads take turns so often that the watchdog arrives everywhere in a body, and around it."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.00001)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("busy_switching")
def test_a_soft_limit_that_comes_as_the_body_ends_hits_nothing_else() -> None:
    late: list[BaseException] = []
    bodies = [partial(spin, 0.0002 * (1 + number % 10)) for number in range(1500)]
    workshop = Workshop(*bodies, concurrency=2, soft_time_limit=0.001)

    with at_work(workshop) as running:
        engine, report = workshop.engine, workshop.engine.report

        def watched(job: object, outcome: object) -> None:
            try:
                for _ in range(100):
                    str(job)
            except SoftTimeLimitExceeded as exc:
                late.append(exc)
            report(job, outcome)  # type: ignore[arg-type]

        engine.report = watched  # type: ignore[method-assign]
        until(lambda: len(engine.outcomes) == 1500, within=60)
        assert late == []
        assert sum(seat.finished for seat in running.pool.seats()) == 1500
        kinds = {type(outcome) for outcome in engine.outcomes.values()}
        assert kinds <= {type(None), SoftTimeLimitExceeded}
        assert SoftTimeLimitExceeded in kinds


def test_the_watchdog_notices_a_deadline_nearer_than_the_one_it_sleeps_for() -> None:
    watchdog = Watchdog()
    patient, hasty = ThreadSeat(watchdog), ThreadSeat(watchdog)
    watchdog.start([patient, hasty])
    now = time.monotonic()
    patient.begin(0, now, now + 60, 0.0)
    until(lambda: watchdog.asleep_until == now + 60)
    with pytest.raises(SoftTimeLimitExceeded):
        try:
            hasty.begin(1, now, now + 0.05, 0.0)
            spin(10)
        finally:
            hasty.end()
    patient.end()
    watchdog.end()


def test_a_warm_stop_waits_for_what_runs_and_leaves_no_thread() -> None:
    before = threading.active_count()
    workshop = Workshop(lambda: threading.Event().wait(0.2), concurrency=2)
    running = Running(workshop)
    until(lambda: any(seat.receipt == 0 for seat in running.pool.seats()))
    running.stop(StopMode.WARM)
    assert workshop.engine.outcomes == {0: False}
    until(lambda: threading.active_count() <= before)  # one of an earlier test may end meanwhile


def test_a_cold_stop_returns_at_once_and_gives_back_what_runs() -> None:
    release = threading.Event()
    workshop = Workshop(lambda: release.wait(30), lambda: "never started", concurrency=1)
    running = Running(workshop)
    until(lambda: any(seat.receipt == 0 for seat in running.pool.seats()))
    running.stop(StopMode.COLD, within=1.0)
    assert workshop.engine.given_back == [0, 1]
    release.set()
    until(lambda: all(seat.receipt == -1 for seat in running.pool.seats()))
    assert workshop.engine.outcomes == {}, "a late end has no effect"


def test_the_process_exits_although_a_body_still_runs() -> None:
    assert run_until_cold_stop("threads") == "back\n"
