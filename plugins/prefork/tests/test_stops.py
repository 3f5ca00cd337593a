"""Stopping, shrinking, recycling and killing for a limit."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest
from prefork_workshop import Job, Report, Workshop, at_work, ready, until

from tq.contracts.pool import StopMode
from tq.errors import ImproperlyConfigured
from tq_prefork.memory import resident


def test_a_warm_stop_lets_what_runs_finish() -> None:
    workshop = Workshop(Job(lambda: time.sleep(0.3)), concurrency=2)
    with at_work(workshop) as running:
        workshop.send(0)
        until(lambda: any(seat.receipt == 0 for seat in running.pool.seats()))
        running.stop(StopMode.WARM)
        assert [receipt for receipt, _ in workshop.done()] == [0]
        assert workshop.reports == [Report("ended", -1)] * 2
        assert running.pool.seats() == ()


def test_a_cold_stop_of_idle_children_ends_them_without_a_kill() -> None:
    workshop = Workshop(concurrency=2)
    with at_work(workshop) as running:
        running.stop(StopMode.COLD)
        assert workshop.reports == [Report("ended", -1)] * 2


def test_a_cold_stop_kills_a_body_that_does_not_end_and_charges_nobody() -> None:
    workshop = Workshop(Job(lambda: time.sleep(60)))
    with at_work(workshop) as running:
        workshop.send(0)
        until(lambda: running.pool.seats()[0].receipt == 0)
        running.pool.stop(StopMode.WARM)
        running.stop(StopMode.COLD, within=5.0)
        assert workshop.reports == [Report("died", 0, "killed by a cold shutdown", charge=False)]


def test_a_stop_never_becomes_softer_again() -> None:
    workshop = Workshop(Job(lambda: time.sleep(60)))
    with at_work(workshop) as running:
        workshop.send(0)
        until(lambda: running.pool.seats()[0].receipt == 0)
        running.pool.stop(StopMode.COLD)
        running.stop(StopMode.WARM, within=5.0)


def test_a_stop_that_comes_while_a_child_prepares_is_not_lost() -> None:
    workshop = Workshop()
    workshop.prepare_child = lambda: time.sleep(0.5)
    with at_work(workshop) as running:
        (pid,) = running.pool.pids()
        os.kill(pid, signal.SIGKILL)
        until(lambda: workshop.reports)
        until(lambda: running.pool.pids())
        running.stop(StopMode.WARM)
        assert workshop.reports[1:] == [Report("ended", -1)]


def test_the_hard_limit_kills_only_the_child_that_ran_over_it() -> None:
    workshop = Workshop(
        Job(lambda: time.sleep(60), hard_limit=0.2), Job(lambda: time.sleep(1)), concurrency=2
    )
    with at_work(workshop) as running:
        workshop.send(1, 0)
        until(lambda: workshop.reports)
        assert workshop.reports == [Report("time is up", 0)]
        until(lambda: [receipt for receipt, _ in workshop.done()] == [1])
        until(lambda: ready(running.pool) == 2)


def test_the_hard_limit_holds_in_a_stop_too() -> None:
    workshop = Workshop(Job(lambda: time.sleep(60), hard_limit=0.3))
    with at_work(workshop) as running:
        workshop.send(0)
        until(lambda: running.pool.seats()[0].receipt == 0)
        running.stop(StopMode.WARM)
        assert workshop.reports == [Report("time is up", 0)]


def test_a_body_that_ends_in_time_is_not_killed() -> None:
    workshop = Workshop(Job(lambda: None, hard_limit=0.01))
    with at_work(workshop) as running:
        (pid,) = running.pool.pids()
        workshop.send(*[0] * 50)
        until(lambda: len(workshop.done()) == 50)
        assert running.pool.pids() == (pid,)


def test_terminate_ends_one_body_and_leaves_its_neighbour() -> None:
    workshop = Workshop(Job(lambda: time.sleep(60)), Job(lambda: time.sleep(0.5)), concurrency=2)
    with at_work(workshop) as running:
        workshop.send(0, 1)
        until(lambda: sorted(seat.receipt for seat in running.pool.seats()) == [0, 1])
        seat = next(seat for seat in running.pool.seats() if seat.receipt == 0)
        assert running.pool.terminate(seat, 0, signal.SIGTERM)
        until(lambda: workshop.reports)
        assert workshop.reports == [Report("terminated", 0)]
        until(lambda: [receipt for receipt, _ in workshop.done()] == [1])


def test_terminate_takes_a_signal_of_the_users_choice() -> None:
    workshop = Workshop(Job(lambda: time.sleep(60)))
    with at_work(workshop) as running:
        workshop.send(0)
        seat = running.pool.seats()[0]
        until(lambda: seat.receipt == 0)
        assert running.pool.terminate(seat, 0, signal.SIGUSR1)
        until(lambda: workshop.reports)
        assert workshop.reports == [Report("terminated", 0)]


def test_terminate_says_no_where_that_task_does_not_run() -> None:
    workshop = Workshop(Job(lambda: time.sleep(60)))
    with at_work(workshop) as running:
        (seat,) = running.pool.seats()
        assert not running.pool.terminate(seat, 0, signal.SIGTERM)
        workshop.send(0)
        until(lambda: seat.receipt == 0)
        assert not running.pool.terminate(seat, 7, signal.SIGTERM)


def test_the_pool_grows_and_shrinks_while_it_runs() -> None:
    may_end = multiprocessing.Event()
    workshop = Workshop(Job(may_end.wait))
    with at_work(workshop) as running:
        (first,) = running.pool.pids()
        workshop.send(0)
        until(lambda: running.pool.seats()[0].receipt == 0)
        running.pool.resize(3)
        until(lambda: ready(running.pool) == 3)
        running.pool.resize(1)
        until(lambda: len(running.pool.pids()) == 1)
        assert running.pool.pids() == (first,), "idle children go first"
        may_end.set()
        assert workshop.reports == [Report("ended", -1)] * 2


def test_a_pool_without_children_is_refused() -> None:
    workshop = Workshop()
    with at_work(workshop) as running, pytest.raises(ImproperlyConfigured, match="at least one child"):
        running.pool.resize(0)


def test_a_child_is_replaced_after_its_number_of_tasks() -> None:
    workshop = Workshop(Job(lambda: None), max_tasks=2)
    with at_work(workshop):
        workshop.send(*[0] * 6)
        until(lambda: len(workshop.done()) == 6)
        pids = [pid for _, pid in workshop.done()]
        assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [2, 2, 2]


def test_a_child_that_grew_too_large_finishes_its_task_and_is_replaced() -> None:
    kept: list[bytes] = []

    def grow() -> None:
        kept.append(b"x" * 200_000_000)
        time.sleep(1.5)

    workshop = Workshop(Job(grow))
    # A child starts with what its parent has, which is much at the end of a long test run.
    workshop.max_memory_per_child = resident([os.getpid()])[os.getpid()] + 100_000
    with at_work(workshop) as running:
        (pid,) = running.pool.pids()
        workshop.send(0)
        until(lambda: running.pool.pids() and running.pool.pids() != (pid,))
        assert workshop.done() == [(0, pid)]
        assert workshop.reports == [Report("ended", -1)]


def test_a_child_ignores_what_a_terminal_sends_to_the_whole_group() -> None:
    workshop = Workshop(Job(lambda: None))
    with at_work(workshop) as running:
        (pid,) = running.pool.pids()
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGHUP)
        workshop.send(0)
        until(lambda: workshop.done() == [(0, pid)])


def test_a_child_that_gave_everything_back_ended_well_whatever_its_hooks_do() -> None:
    workshop = Workshop()
    workshop.tidy_child = lambda: os._exit(9)
    with at_work(workshop) as running:
        running.stop(StopMode.WARM)
        assert workshop.reports == [Report("ended", -1)]
