"""The store's clock is put forward: living consumers keep what they hold."""

from __future__ import annotations

import pytest

from tq.contracts.jumps import TOLERANCE, Jumps


class Clocks:
    """This machine's clock and the store's."""

    def __init__(self) -> None:
        self.here = 100.0
        self.store = 1_000_000.0
        self.jumps = Jumps(lambda: self.here)
        self.jumps.lease = 30.0

    def look(self, *, answer_takes: float = 0.0) -> bool:
        asked = self.here
        said = self.store
        self.wait(answer_takes)
        self.jumps.tell(asked, said)
        return self.jumps.after_one()

    def wait(self, seconds: float) -> None:
        self.here += seconds
        self.store += seconds


def test_time_that_passes_is_no_jump() -> None:
    clocks = Clocks()
    for seconds in (0.1, 1.0, 3600.0, 0.0):
        assert not clocks.look()
        clocks.wait(seconds)
    assert not clocks.look()


@pytest.mark.parametrize("slow", [0.0, 20.0])
def test_slow_answers_are_no_jump(slow: float) -> None:
    clocks = Clocks()
    for _ in range(5):
        assert not clocks.look(answer_takes=slow)
        assert not clocks.look()
        clocks.wait(1.0)


def test_after_a_jump_nobody_is_declared_dead_for_a_lease() -> None:
    clocks = Clocks()
    assert not clocks.look()
    clocks.wait(1.0)
    clocks.store += 3600
    assert clocks.look()
    clocks.wait(29.0)
    assert clocks.look()
    clocks.wait(2.0)
    assert not clocks.look()


def test_small_corrections_and_steps_back_are_no_jumps() -> None:
    clocks = Clocks()
    for step in (TOLERANCE / 2, -TOLERANCE, -3600.0):
        assert not clocks.look()
        clocks.store += step
    assert not clocks.look()
