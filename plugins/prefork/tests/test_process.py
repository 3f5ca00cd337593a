"""A child is punished for the body it runs, and not for the one before."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from prefork_workshop import until

from tq_prefork.line import Line, pair
from tq_prefork.memory import _from_ps, resident
from tq_prefork.pace import LONGEST_PAUSE, PATIENCE, Pace
from tq_prefork.process import ChildProcess, Verdict
from tq_prefork.seat import SharedSeat


@pytest.fixture
def sleeper() -> Iterator[ChildProcess]:
    """A child that runs receipt 5, and again."""
    seat = SharedSeat()
    pid = os.fork()
    if pid == 0:
        try:
            seat.begin(5, 1.0, 0.0, 2.0)
            time.sleep(0.3)
            seat.end()
            seat.begin(5, 1.0, 0.0, 2.0)
            time.sleep(60)
        finally:
            os._exit(0)
    process = ChildProcess(pid, 0, seat, Line(pair()[0]))
    until(lambda: seat.receipt == 5)
    yield process
    process.kill(Verdict.COLD_STOP)
    until(process.is_gone)
    process.close()


def test_the_body_that_was_meant_is_killed(sleeper: ChildProcess) -> None:
    assert sleeper.kill_if_runs(5, signal.SIGKILL, Verdict.TIME_IS_UP)
    until(sleeper.is_gone)
    assert sleeper.why() is Verdict.TIME_IS_UP
    assert sleeper.cause() == "was killed by SIGKILL"


def test_the_next_body_goes_on(sleeper: ChildProcess) -> None:
    assert not sleeper.kill_if_runs(4, signal.SIGKILL, Verdict.TIME_IS_UP)
    assert not sleeper.is_gone()
    assert sleeper.why() is None
    until(lambda: sleeper.seat.finished == 1)


def test_one_that_died_by_itself_meanwhile_is_not_blamed_on_the_pool(sleeper: ChildProcess) -> None:
    os.kill(sleeper.pid, signal.SIGUSR2)
    until(lambda: sleeper.is_gone())
    assert not sleeper.kill_if_runs(5, signal.SIGKILL, Verdict.TIME_IS_UP)
    assert sleeper.why() is None
    assert sleeper.cause() == "was killed by SIGUSR2"


def test_a_child_that_somebody_else_waited_for_is_gone_with_a_cause(sleeper: ChildProcess) -> None:
    os.kill(sleeper.pid, signal.SIGKILL)
    os.waitpid(sleeper.pid, 0)
    assert sleeper.is_gone()
    assert "something else" in sleeper.cause()


def test_resident_memory_is_measured_alike_in_both_ways() -> None:
    me = os.getpid()
    assert resident([]) == {}
    assert resident([me])[me] == pytest.approx(_from_ps([me])[me], rel=0.2)
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    assert resident([gone]) == {} == _from_ps([gone])


def test_young_deaths_in_a_row_slow_the_restarts_down() -> None:
    pace = Pace()
    pauses = []
    for _ in range(20):
        pace.died(0.1, now=100.0, cause="exited with status 1")
        pauses.append(max(pace.next_start - 100.0, 0.0))
    assert pauses[: PATIENCE - 1] == [0.0] * (PATIENCE - 1)
    assert pauses[PATIENCE - 1 :] == sorted(pauses[PATIENCE - 1 :])
    assert pauses[-1] == LONGEST_PAUSE


def test_a_child_that_lived_on_ends_the_caution() -> None:
    pace = Pace()
    for _ in range(PATIENCE):
        pace.died(0.1, now=100.0, cause="exited with status 1")
    pace.died(5.0, now=100.0, cause="exited with status 1")
    assert pace.next_start == 0.0
    pace.died(0.1, now=100.0, cause="exited with status 1")
    assert pace.next_start == 0.0
