"""What holds for each pool of greenlets, whichever library makes them; for patched processes."""

from __future__ import annotations

import contextlib
import queue
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import ClassVar

from tests.pools.workshop import Workshop, until
from tq.contracts.pool import ColdStop, Pool, Seat, StopMode
from tq.errors import SoftTimeLimitExceeded


class GreenRules:
    """Inherit and set `pool_class`."""

    pool_class: ClassVar[type[Pool]]

    @contextlib.contextmanager
    def at_work(self, workshop: Workshop) -> Iterator[Pool]:
        """A pool on a (green) thread of its own, stopped cold at the end."""
        pool = self.pool_class(workshop)
        thread = threading.Thread(target=pool.run)
        thread.start()
        try:
            yield pool
        finally:
            pool.stop(StopMode.COLD)
            thread.join(20)
            assert not thread.is_alive(), "the pool did not return"

    def test_bodies_that_sleep_run_at_the_same_time(self) -> None:
        began: list[int] = []

        def meet() -> int:
            began.append(1)
            while len(began) < 100:
                time.sleep(0.001)
            return threading.get_ident()

        workshop = Workshop(*[meet] * 100, concurrency=100)
        with self.at_work(workshop):
            until(lambda: len(workshop.engine.outcomes) == 100, within=60)
        assert len(set(workshop.engine.outcomes.values())) == 100, "each has a greenlet of its own"

    def test_bodies_wait_for_sockets_queues_and_locks_without_keeping_others_waiting(self) -> None:
        here, there = socket.socketpair()
        items: queue.Queue[bytes] = queue.Queue()
        lock = threading.Lock()
        lock.acquire()

        def reads() -> bytes:
            return here.recv(5)

        def waits() -> bytes:
            return items.get(timeout=60)

        def locks() -> bool:
            return lock.acquire(timeout=60)

        def helps() -> None:
            there.sendall(b"hello")
            items.put(b"item")
            lock.release()

        workshop = Workshop(reads, waits, locks, helps, concurrency=4)
        with self.at_work(workshop):
            until(lambda: len(workshop.engine.outcomes) == 4, within=60)
        assert workshop.engine.outcomes == {0: b"hello", 1: b"item", 2: True, 3: None}
        here.close()
        there.close()

    def test_a_soft_limit_can_be_caught_in_the_body(self) -> None:
        def body() -> str:
            try:
                time.sleep(60)
            except SoftTimeLimitExceeded:
                return "cleaned up"
            return "never"

        workshop = Workshop(body, soft_time_limit=0.05)
        with self.at_work(workshop):
            until(lambda: workshop.engine.outcomes)
        assert workshop.engine.outcomes == {0: "cleaned up"}

    def test_a_terminated_body_ends_where_it_waits_and_its_neighbour_goes_on(self) -> None:
        seen: list[type[BaseException]] = []
        go_on = threading.Event()

        def endless() -> None:
            try:
                time.sleep(600)
            except BaseException as exc:
                seen.append(type(exc))
                raise

        workshop = Workshop(endless, lambda: go_on.wait(60), concurrency=2)
        with self.at_work(workshop) as pool:
            until(lambda: {seat.receipt for seat in pool.seats()} == {0, 1})
            seat = seat_of(pool, 0)
            assert not pool.terminate(seat, 1, signal.SIGTERM)
            assert pool.terminate(seat, 0, signal.SIGTERM)
            until(lambda: workshop.engine.outcomes)
            go_on.set()
            until(lambda: len(workshop.engine.outcomes) == 2)
        assert seen == [ColdStop]
        assert workshop.engine.revoked == {0}
        assert workshop.engine.outcomes[1] is True

    def test_a_body_that_ends_before_it_is_terminated_is_left_alone(self) -> None:
        go_on = threading.Event()
        workshop = Workshop(lambda: go_on.wait(60), lambda: time.sleep(0.2), concurrency=1)
        with self.at_work(workshop) as pool:
            until(lambda: pool.seats()[0].receipt == 0)
            go_on.set()
            pool.terminate(pool.seats()[0], 0, signal.SIGTERM)
            until(lambda: len(workshop.engine.outcomes) == 2)
        ended = workshop.engine.outcomes[0]
        assert ended is True or 0 in workshop.engine.revoked
        assert workshop.engine.outcomes[1] is None, "the next body was not meant"

    def test_a_cold_stop_ends_what_runs_and_gives_it_back(self) -> None:
        seen: list[type[BaseException]] = []

        def endless() -> None:
            try:
                time.sleep(600)
            except BaseException as exc:
                seen.append(type(exc))
                raise

        workshop = Workshop(endless, endless, concurrency=1)
        with self.at_work(workshop) as pool:
            until(lambda: pool.seats()[0].receipt == 0)
        assert workshop.engine.given_back == [0, 1]
        assert workshop.engine.outcomes == {}
        assert workshop.engine.revoked == set()
        assert seen == [ColdStop]
        assert pool.seats()[0].receipt == -1


def seat_of(pool: Pool, receipt: int) -> Seat:
    """Where it runs."""
    (seat,) = (seat for seat in pool.seats() if seat.receipt == receipt)
    return seat
