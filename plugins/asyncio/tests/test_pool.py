"""Coroutines on one loop, plain bodies beside it: limits, ends by force, warm and cold stops."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from tests.pools.leaving import run_until_cold_stop
from tests.pools.workshop import Workshop, until
from tq.contracts.pool import ColdStop, StopMode
from tq.errors import SoftTimeLimitExceeded
from tq_asyncio import AsyncioPool


class Running:
    """A pool at work on a thread of its own."""

    def __init__(self, workshop: Workshop) -> None:
        self.pool = AsyncioPool(workshop)
        self.thread = threading.Thread(target=self.pool.run, daemon=True)
        self.thread.start()

    def stop(self, mode: StopMode) -> None:
        self.pool.stop(mode)
        self.thread.join(20)
        assert not self.thread.is_alive(), "the pool did not return"


@contextlib.contextmanager
def at_work(workshop: Workshop) -> Iterator[Running]:
    running = Running(workshop)
    try:
        yield running
    finally:
        running.stop(StopMode.COLD)


async def sleep_long() -> None:
    await asyncio.sleep(60)


def test_coroutines_share_a_loop_and_plain_bodies_have_threads() -> None:
    here: list[int] = []
    meeting = threading.Barrier(2)

    async def coroutine() -> int:
        here.append(threading.get_ident())
        while len(here) < 2:
            await asyncio.sleep(0.001)
        return threading.get_ident()

    def plain() -> int:
        return meeting.wait(20)

    workshop = Workshop(coroutine, coroutine, plain, plain, concurrency=4)
    with at_work(workshop) as running:
        until(lambda: len(workshop.engine.outcomes) == 4)
        outcomes = workshop.engine.outcomes
        assert outcomes[0] == outcomes[1] != running.thread.ident
        assert {outcomes[2], outcomes[3]} == {0, 1}


def test_a_thousand_coroutines_run_at_once() -> None:
    together: list[int] = []

    async def meet() -> int:
        together.append(1)
        while len(together) < 1000:
            await asyncio.sleep(0.01)
        return len(together)

    workshop = Workshop(*[meet] * 1000, concurrency=1000)
    with at_work(workshop) as running:
        until(lambda: len(workshop.engine.outcomes) == 1000, within=60)
        assert set(workshop.engine.outcomes.values()) == {1000}
        assert sum(seat.finished for seat in running.pool.seats()) == 1000


def test_threads_are_used_again() -> None:
    workshop = Workshop(*[threading.get_ident] * 50, concurrency=2)
    with at_work(workshop):
        until(lambda: len(workshop.engine.outcomes) == 50)
        assert 1 <= len(set(workshop.engine.outcomes.values())) <= 2


def test_the_soft_limit_of_a_coroutine_is_kept() -> None:
    workshop = Workshop(sleep_long, soft_time_limit=0.05)
    with at_work(workshop):
        until(lambda: workshop.engine.outcomes)
        assert isinstance(workshop.engine.outcomes[0], TimeoutError)


def test_the_soft_limit_of_a_plain_body_is_raised_inside_it() -> None:
    def body() -> str:
        try:
            while True:
                time.sleep(0.001)
        except SoftTimeLimitExceeded:
            return "cleaned up"

    workshop = Workshop(body, soft_time_limit=0.05)
    with at_work(workshop):
        until(lambda: workshop.engine.outcomes)
        assert workshop.engine.outcomes == {0: "cleaned up"}


def test_a_terminated_coroutine_is_cancelled_and_its_neighbours_go_on() -> None:
    go_on = threading.Event()

    async def neighbour() -> str:
        while not go_on.is_set():
            await asyncio.sleep(0.005)
        return "whole"

    workshop = Workshop(sleep_long, neighbour, concurrency=2)
    with at_work(workshop) as running:
        pool = running.pool
        until(lambda: {seat.receipt for seat in pool.seats()} == {0, 1})
        (seat,) = (seat for seat in pool.seats() if seat.receipt == 0)
        assert not pool.terminate(seat, 1, signal.SIGTERM)
        assert pool.terminate(seat, 0, signal.SIGTERM)
        until(lambda: workshop.engine.outcomes)
        assert isinstance(workshop.engine.outcomes[0], asyncio.CancelledError)
        go_on.set()
        until(lambda: len(workshop.engine.outcomes) == 2)
        assert workshop.engine.outcomes[1] == "whole"


def test_a_coroutine_may_outlive_its_termination() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "cleaned up"
        return "never"

    workshop = Workshop(stubborn)
    with at_work(workshop) as running:
        until(lambda: any(seat.receipt == 0 for seat in running.pool.seats()))
        (seat,) = (seat for seat in running.pool.seats() if seat.receipt == 0)
        assert running.pool.terminate(seat, 0, signal.SIGTERM)
        until(lambda: workshop.engine.outcomes)
        assert workshop.engine.outcomes == {0: "cleaned up"}


def test_a_plain_body_is_not_terminated(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()
    workshop = Workshop(lambda: release.wait(30), concurrency=1)
    with at_work(workshop) as running:
        (seat,) = running.pool.seats()
        until(lambda: seat.receipt == 0)
        assert not running.pool.terminate(seat, 0, signal.SIGTERM)
        assert "goes on" in caplog.text
        release.set()
        until(lambda: workshop.engine.outcomes == {0: True})


def test_a_warm_stop_waits_for_what_runs_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    go_on = threading.Event()

    async def coroutine() -> str:
        while not go_on.is_set():
            await asyncio.sleep(0.005)
        return "done"

    workshop = Workshop(coroutine, lambda: go_on.wait(30), concurrency=2)
    running = Running(workshop)
    until(lambda: {seat.receipt for seat in running.pool.seats()} == {0, 1})
    running.pool.stop(StopMode.WARM)
    go_on.set()
    running.stop(StopMode.WARM)
    assert workshop.engine.outcomes == {0: "done", 1: True}
    left = set(threading.enumerate()) - before
    until(lambda: not any(thread.is_alive() for thread in left))


def test_a_cold_stop_cancels_coroutines_and_gives_back() -> None:
    seen: list[type[BaseException]] = []

    async def coroutine() -> None:
        try:
            await asyncio.sleep(60)
        except BaseException as exc:
            seen.append(type(exc))
            raise

    workshop = Workshop(coroutine, sleep_long, concurrency=1)
    running = Running(workshop)
    until(lambda: running.pool.seats()[0].receipt == 0)
    running.stop(StopMode.COLD)
    assert workshop.engine.given_back == [0, 1]
    assert workshop.engine.outcomes == {}
    assert seen == [asyncio.CancelledError]
    assert running.pool.seats()[0].receipt == -1


def test_a_cold_stop_waits_neither_for_a_blocked_loop_nor_for_a_thread() -> None:
    release = threading.Event()

    async def blocks() -> None:
        release.wait(60)

    workshop = Workshop(blocks, lambda: release.wait(60), concurrency=2)
    running = Running(workshop)
    until(lambda: {seat.receipt for seat in running.pool.seats()} == {0, 1})
    running.stop(StopMode.COLD)
    assert workshop.engine.given_back == [0, 1]
    release.set()


def test_a_job_that_raises_ends_neither_the_loop_nor_a_thread(caplog: pytest.LogCaptureFixture) -> None:
    workshop = Workshop(sleep_long, concurrency=2)
    with at_work(workshop) as running:
        until(lambda: any(seat.receipt == 0 for seat in running.pool.seats()))
        (free,) = (seat for seat in running.pool.seats() if seat.receipt < 0)
        running.pool._spawn(BrokenJob(is_coroutine=True), free)
        running.pool._spawn(BrokenJob(is_coroutine=False), free)
        until(lambda: caplog.text.count("a job raised, which it must not") == 2)


class BrokenJob:
    """Breaks the contract of `Job`."""

    soft_time_limit: float | None = None

    def __init__(self, *, is_coroutine: bool) -> None:
        self.is_coroutine = is_coroutine

    def revoke(self) -> None:
        raise ColdStop

    def run(self) -> None:
        raise ValueError("a bug")

    async def arun(self) -> None:
        raise ValueError("a bug")


@pytest.mark.parametrize("there", [True, False], ids=["with uvloop", "without"])
def test_uvloop_is_used_where_it_is_installed(there: bool) -> None:
    if there:
        pytest.importorskip("uvloop")
    hidden = "" if there else "import sys; sys.modules['uvloop'] = None\n"
    program = (
        "from tq_asyncio.loop import new_loop\nloop = new_loop()\nprint(type(loop).__module__)\nloop.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", hidden + program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("uvloop" if there else "asyncio.")


def test_the_process_exits_although_a_plain_body_still_runs() -> None:
    assert run_until_cold_stop("asyncio") == "back\n"
