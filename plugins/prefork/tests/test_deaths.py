"""What becomes of a child that dies, and of the children of a parent that does."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prefork_workshop import Job, Report, Workshop, at_work, ready, until

from tq_prefork import pool

HERE = Path(__file__).parent


def sleep_long() -> None:
    time.sleep(60)


def read_null() -> None:
    faulthandler.disable()
    ctypes.string_at(0)


def kill_myself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (lambda: os._exit(3), "exited with status 3"),
        (lambda: os._exit(0), "exited with status 0"),
        (read_null, "was killed by SIGSEGV"),
        (kill_myself, "was killed by SIGKILL"),
    ],
    ids=["exit 3", "exit 0", "segfault", "kill"],
)
def test_a_dead_child_is_reported_with_its_cause_and_replaced(body: Callable[[], object], cause: str) -> None:
    workshop = Workshop(Job(body), Job(lambda: None))
    with at_work(workshop) as running:
        (before,) = running.pool.pids()
        workshop.send(0)
        until(lambda: workshop.reports, within=1.0)
        assert workshop.reports == [Report("died", 0, cause, charge=True)]
        until(lambda: running.pool.pids() and running.pool.pids() != (before,))
        workshop.send(1)
        until(lambda: [receipt for receipt, _ in workshop.done()] == [1])


def test_an_idle_child_that_is_killed_is_replaced_with_a_fresh_seat() -> None:
    workshop = Workshop(concurrency=2)
    with at_work(workshop) as running:
        victim, survivor = running.pool.pids()
        seats = running.pool.seats()
        os.kill(victim, signal.SIGKILL)
        until(lambda: workshop.reports, within=1.0)
        until(lambda: ready(running.pool) == 2)
        assert workshop.reports == [Report("died", -1, "was killed by SIGKILL", charge=True)]
        assert survivor in running.pool.pids()
        assert victim not in running.pool.pids()
        assert seats[0] not in running.pool.seats()
        assert seats[1] in running.pool.seats()


def test_the_same_works_where_a_death_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    workshop = Workshop()
    with at_work(workshop) as running:
        (victim,) = running.pool.pids()
        os.kill(victim, signal.SIGKILL)
        until(lambda: workshop.reports, within=1.0)
        until(lambda: ready(running.pool) == 1)


def test_a_child_whose_set_up_fails_is_reported_and_the_others_go_on() -> None:
    workshop = Workshop(Job(lambda: None), concurrency=2)
    with at_work(workshop) as running:
        victim, survivor = running.pool.pids()
        workshop.prepare_child = lambda: 1 / 0
        os.kill(victim, signal.SIGKILL)
        until(lambda: any(report.cause == "exited with status 1" for report in workshop.reports))
        workshop.send(0)
        until(lambda: workshop.done() == [(0, survivor)])


def test_children_of_a_killed_parent_are_gone_within_a_second() -> None:
    parent = subprocess.Popen([sys.executable, HERE / "orphans.py"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.kill()
    parent.wait()
    until(lambda: not any(map(_lives, pids)), within=1.0)
    parent.stdout.close()


def _lives(pid: int) -> bool:
    """Orphans may stay as zombies where process 1 does not wait for them."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
def test_a_pool_leaves_no_process_and_no_descriptor_behind() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    workshop = Workshop(Job(lambda: os._exit(1)), concurrency=2)
    before = descriptors()
    with at_work(workshop) as running:
        workshop.send(0, 0)
        until(lambda: len(workshop.reports) == 2)
        until(lambda: ready(running.pool) == 2)
        pids = running.pool.pids()
    assert descriptors() == before - 4  # the workshop's own pipes
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_child_that_hangs_is_replaced_and_not_charged() -> None:
    workshop = Workshop(Job(lambda: None))
    with at_work(workshop) as running:
        (hanging,) = running.pool.pids()
        os.kill(hanging, signal.SIGSTOP)
        (seat,) = running.pool.seats()
        assert running.pool.replace(seat)
        until(lambda: workshop.reports, within=2.0)
        assert workshop.reports == [Report("died", -1, "it had stopped asking for work", charge=False)]
        until(lambda: running.pool.pids() and running.pool.pids() != (hanging,))
        workshop.send(0)
        until(lambda: [receipt for receipt, _ in workshop.done()] == [0])


@pytest.fixture
def stacks(tmp_path: Path) -> Iterator[Path]:
    """Where processes write their stacks when they are asked for them, as workers do."""
    with (tmp_path / "stacks").open("w+") as file:
        faulthandler.register(signal.SIGUSR1, file=file, all_threads=True)
        yield Path(file.name)
        faulthandler.unregister(signal.SIGUSR1)


@pytest.mark.usefixtures("stacks")
def test_a_child_that_was_only_suspended_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "LAST_WORDS", 2.0)
    workshop = Workshop(*[Job(lambda: None)] * 4)
    with at_work(workshop) as running:
        (suspended,) = running.pool.pids()
        os.kill(suspended, signal.SIGSTOP)
        (seat,) = running.pool.seats()
        for receipt in range(3):
            workshop.send(receipt)
        assert running.pool.replace(seat)
        until(lambda: len(workshop.done()) == 3)
        time.sleep(4.0)
        assert running.pool.pids() == (suspended,)
        workshop.send(3)
        until(lambda: [receipt for receipt, _ in workshop.done()] == [0, 1, 2, 3])
        assert workshop.reports == []
        # What it dies of later is told by its own name.
        os.kill(suspended, signal.SIGKILL)
        until(lambda: workshop.reports)
        assert "stopped asking" not in str(workshop.reports)


def test_a_child_that_hangs_says_where_before_it_is_killed(stacks: Path) -> None:
    workshop = Workshop(Job(lambda: None))
    with at_work(workshop) as running:
        (seat,) = running.pool.seats()
        assert running.pool.replace(seat)
        until(lambda: workshop.reports)
    assert "tq_prefork/child.py" in stacks.read_text()


def test_a_child_that_runs_something_again_is_not_replaced() -> None:
    workshop = Workshop(Job(sleep_long))
    with at_work(workshop) as running:
        (busy,) = running.pool.pids()
        (seat,) = running.pool.seats()
        workshop.send(0)
        until(lambda: seat.receipt == 0)
        assert running.pool.replace(seat)
        time.sleep(0.3)
        assert running.pool.pids() == (busy,)
        assert workshop.reports == []
        os.kill(busy, signal.SIGKILL)
