"""Engines that take each other's place."""

from __future__ import annotations

import threading

from tq.contracts.pool import StopMode
from tq.pools.rounds import Rounds


class Engine:
    """Runs until stopped; says how."""

    def __init__(self, made: list[Engine], *, ends_by_itself: bool = False) -> None:
        made.append(self)
        self.ran = threading.Event()
        self.told: list[StopMode] = []
        self._end = threading.Event()
        if ends_by_itself:
            self._end.set()

    def run(self) -> None:
        self.ran.set()
        assert self._end.wait(30)

    def stop(self, mode: StopMode) -> None:
        self.told.append(mode)
        self._end.set()


def test_a_renewal_ends_one_engine_warmly_and_runs_the_next() -> None:
    made: list[Engine] = []
    rounds = Rounds(lambda: Engine(made))
    thread = threading.Thread(target=rounds.run)
    thread.start()
    assert made[0].ran.wait(30)
    rounds.renew()
    assert made[1].ran.wait(30)
    rounds.stop(StopMode.COLD)
    thread.join(30)
    assert not thread.is_alive()
    assert [engine.told for engine in made] == [[StopMode.WARM], [StopMode.COLD]]


def test_renewals_before_the_run_leave_the_last_engine() -> None:
    made: list[Engine] = []
    rounds = Rounds(lambda: Engine(made))
    rounds.renew()
    rounds.renew()
    thread = threading.Thread(target=rounds.run)
    thread.start()
    assert made[2].ran.wait(30)
    rounds.stop(StopMode.WARM)
    thread.join(30)
    assert [engine.ran.is_set() for engine in made] == [False, False, True]


def test_a_stop_is_not_undone_by_a_renewal() -> None:
    made: list[Engine] = []
    rounds = Rounds(lambda: Engine(made))
    rounds.stop(StopMode.WARM)
    rounds.renew()
    assert made[1].told == [StopMode.WARM]
    rounds.run()


def test_an_engine_that_ends_by_itself_ends_the_rounds() -> None:
    made: list[Engine] = []
    Rounds(lambda: Engine(made, ends_by_itself=True)).run()
    assert len(made) == 1
