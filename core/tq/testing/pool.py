"""`PoolConformance`: the tests of every pool plugin."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from tq.contracts.pool import Pool, PoolCap, StopMode
from tq.testing.needs import needs, skip_undeclared
from tq.testing.pool_endings import Endings
from tq.testing.pool_kit import Workshop
from tq.testing.pool_renewal import Renewal


class PoolConformance(Endings, Renewal):
    """Inherit and set `pool_class`.

    The pool gets a setup without a broker, whose engines take numbers from a pipe. It runs on the main
    thread, and is stopped from signal handlers, as in a worker. A pool that patches the standard library in
    `prepare` needs a process of its own for these tests, with `prepare` called before anything is imported.
    """

    pool_class: ClassVar[type[Pool]]

    @pytest.fixture
    def slow_factor(self) -> float:
        """Stretches every time of the suite, for slow machines."""
        return 1.0

    @pytest.fixture(autouse=True)
    def _only_what_is_declared(self, request: pytest.FixtureRequest) -> None:
        skip_undeclared(request.function, self.pool_class.capabilities, self.pool_class)

    @pytest.fixture
    def workshop(self, slow_factor: float) -> Iterator[Callable[..., Workshop]]:
        """Makes setups; closed at the end."""
        made: list[Workshop] = []

        def make(concurrency: int = 1, **how: Any) -> Workshop:
            made.append(Workshop(concurrency, patience=15.0 * slow_factor, **how))
            return made[-1]

        yield make
        for shop in made:
            shop.close()

    # -- running and stopping ------------------------------------------------------------------------------

    def test_jobs_run_once_each_and_a_warm_stop_ends_the_pool(
        self, workshop: Callable[..., Workshop]
    ) -> None:
        shop = workshop()
        jobs = [shop.add(shop.quick) for _ in range(20)]

        def script() -> None:
            shop.send(*jobs)
            shop.until_all("done", jobs)
            shop.stop(StopMode.WARM)

        shop.run(self.pool_class(shop), script)
        assert sorted(shop.receipts("done")) == jobs

    def test_a_stop_before_run_is_not_forgotten(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop()
        pool = self.pool_class(shop)
        pool.stop(StopMode.WARM)
        shop.run(pool, lambda: None)

    def test_a_warm_stop_waits_for_what_runs_and_starts_nothing_new(
        self, workshop: Callable[..., Workshop], slow_factor: float
    ) -> None:
        shop = workshop()
        running, late = shop.add(shop.gated), shop.add(shop.quick)

        def script() -> None:
            shop.send(running)
            shop.until_all("started", [running])
            shop.stop(StopMode.WARM)
            shop.until_all("told", [StopMode.WARM])
            time.sleep(0.2 * slow_factor)
            assert shop.receipts("done") == [], "the body was not waited for, or was cut short"
            shop.send(late)
            shop.open_gate()

        shop.run(self.pool_class(shop), script)
        assert (shop.receipts("done"), shop.receipts("started")) == ([running], [running])

    def test_a_cold_stop_does_not_wait_for_what_runs(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop()
        running = shop.add(shop.gated)

        def script() -> None:
            shop.send(running)
            shop.until_all("started", [running])
            shop.stop(StopMode.COLD)

        shop.run(self.pool_class(shop), script)
        assert shop.receipts("done") == []
        shop.open_gate()

    def test_a_cold_stop_ends_a_warm_one(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop()
        running = shop.add(shop.gated)

        def script() -> None:
            shop.send(running)
            shop.until_all("started", [running])
            shop.stop(StopMode.WARM)
            shop.until_all("told", [StopMode.WARM])
            shop.stop(StopMode.COLD)

        shop.run(self.pool_class(shop), script)
        assert shop.receipts("done") == []
        shop.open_gate()

    def test_nothing_is_left_behind(self, workshop: Callable[..., Workshop]) -> None:
        gc.collect()
        before = set(threading.enumerate())
        shop = workshop(2 if self._can(PoolCap.CONCURRENCY) else 1)
        jobs = [shop.add(shop.quick) for _ in range(4)]

        def script() -> None:
            shop.send(*jobs)
            shop.until_all("done", jobs)
            shop.stop(StopMode.WARM)

        pool = self.pool_class(shop)
        shop.run(pool, script)
        assert list(pool.pids()) == []
        for line in shop.lines("born"):
            assert not alive(line.pid), f"child {line.pid} outlived its pool"
        left = set(threading.enumerate()) - before
        shop.until(lambda: not any(thread.is_alive() for thread in left), f"threads end: {left}")

    def test_a_body_that_raises_does_not_end_the_pool(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop()
        bad, good = shop.add(raising), shop.add(shop.quick)

        def script() -> None:
            shop.send(bad)
            shop.until_all("failed", [bad])
            shop.send(good)
            shop.until_all("done", [good])
            shop.stop(StopMode.WARM)

        shop.run(self.pool_class(shop), script)
        assert "died" not in [report.what for report in shop.reports]

    # -- seats ---------------------------------------------------------------------------------------------

    def test_seats_show_what_runs_and_who_holds_it(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop()
        quick, running = shop.add(shop.quick), shop.add(shop.gated, hard=60.0)
        pool = self.pool_class(shop)

        def script() -> None:
            shop.send(quick)
            shop.until_all("done", [quick])
            began = time.monotonic()
            shop.send(running)
            shop.until(lambda: [s.receipt for s in pool.seats()] == [running], "the seat shows the job")
            (seat,) = pool.seats()
            assert seat.consumer_id.startswith("consumer-")
            assert began <= seat.started <= time.monotonic()
            assert 50 < seat.hard_deadline - seat.started < 70
            shop.open_gate()
            shop.until(lambda: [s.receipt for s in pool.seats()] == [-1], "the seat is free again")
            assert seat.finished == 2
            shop.stop(StopMode.WARM)

        shop.run(pool, script)

    def test_only_its_number_of_bodies_run_at_once(self, workshop: Callable[..., Workshop]) -> None:
        slots = 3 if self._can(PoolCap.CONCURRENCY) else 1
        shop = workshop(slots)
        jobs = [shop.add(shop.gated) for _ in range(slots + 2)]
        pool = self.pool_class(shop)

        def script() -> None:
            shop.send(*jobs)
            shop.until(lambda: len(shop.receipts("started")) == slots, f"{slots} bodies run at once")
            time.sleep(0.1)
            assert len(shop.receipts("started")) == slots, "more bodies than slots"
            assert sorted(s.receipt for s in pool.seats()) == sorted(shop.receipts("started"))
            shop.open_gate()
            shop.until_all("done", jobs)
            shop.stop(StopMode.WARM)

        shop.run(pool, script)
        assert sorted(shop.receipts("done")) == jobs

    # -- size ----------------------------------------------------------------------------------------------

    @needs(PoolCap.RESIZE)
    def test_resize_changes_the_number_of_slots(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop(1)
        jobs = [shop.add(shop.gated) for _ in range(3)]
        pool = self.pool_class(shop)

        def script() -> None:
            shop.send(*jobs)
            shop.until(lambda: len(shop.receipts("started")) == 1, "one body runs")
            pool.resize(3)
            shop.until_all("started", jobs)
            pool.resize(1)
            shop.open_gate()
            shop.until_all("done", jobs)
            shop.until(lambda: len(pool.seats()) == 1, "the pool shrinks")
            shop.stop(StopMode.WARM)

        shop.run(pool, script)
        assert sorted(shop.receipts("done")) == jobs, "a body was lost while the pool shrank"

    @needs(PoolCap.RECYCLE)
    def test_a_child_is_replaced_after_its_number_of_tasks(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop(max_tasks=2)
        jobs = [shop.add(shop.quick) for _ in range(6)]

        def script() -> None:
            shop.send(*jobs)
            shop.until_all("done", jobs)
            shop.stop(StopMode.WARM)

        shop.run(self.pool_class(shop), script)
        by_child = [line.pid for line in shop.lines("done")]
        assert sorted(by_child.count(pid) for pid in set(by_child)) == [2, 2, 2]

    def test_each_child_is_born_and_reported_once(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop(2 if self._can(PoolCap.CONCURRENCY) else 1)
        job = shop.add(shop.quick)

        def script() -> None:
            shop.send(job)
            shop.until_all("done", [job])
            shop.stop(StopMode.WARM)

        shop.run(self.pool_class(shop), script)
        born, left = shop.lines("born"), shop.lines("left")
        assert len(shop.reports) == len({line.pid for line in born}) == len(born)
        assert len(left) == [report.what for report in shop.reports].count("ended")
        assert os.getpid() not in {line.pid for line in born}, "in_child is for children"

    @needs(PoolCap.COROUTINES)
    def test_coroutine_bodies_share_one_loop(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop(20)
        loops: list[int] = []
        meet = asyncio.Event()

        async def body() -> None:
            loops.append(id(asyncio.get_running_loop()))
            if len(loops) == 20:
                meet.set()
            await meet.wait()

        jobs = [shop.add(body, is_coroutine=True) for _ in range(20)]

        def script() -> None:
            shop.send(*jobs)
            shop.until_all("done", jobs)
            shop.stop(StopMode.WARM)

        shop.run(self.pool_class(shop), script)
        assert len(set(loops)) == 1

    # -- what is not declared ------------------------------------------------------------------------------

    def test_what_is_not_declared_is_refused(self, workshop: Callable[..., Workshop]) -> None:
        shop = workshop()
        pool = self.pool_class(shop)
        if not self._can(PoolCap.RESIZE):
            with pytest.raises(NotImplementedError):
                pool.resize(2)
        if not self._can(PoolCap.TERMINATE):
            with pytest.raises(NotImplementedError):
                pool.terminate(shop.local_seat(), 0, signal.SIGTERM)

    def test_what_is_declared_has_its_method(self) -> None:
        if self._can(PoolCap.RESIZE):
            assert self.pool_class.resize is not Pool.resize, "RESIZE is declared, resize() is not overridden"
        if self._can(PoolCap.TERMINATE):
            assert self.pool_class.terminate is not Pool.terminate, (
                "TERMINATE is declared without terminate()"
            )

    def _can(self, cap: PoolCap) -> bool:
        return cap in self.pool_class.capabilities


def raising() -> None:
    """A body with a bug."""
    raise ValueError("a body with a bug")


def alive(pid: int) -> bool:
    """Whether the process exists, as a zombie too."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
