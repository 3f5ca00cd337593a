"""A child that neither runs anything nor asks for anything is replaced, and nobody else is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from core.tests.worker.workshop import Shop
from tq.contracts.pool import Pool, Seat, StopMode
from tq.errors import BackendUnavailable
from tq.worker.seat import LocalSeat
from tq.worker.watchdog import LOOKS, Watchdog

PERIOD = 50.0


class StubPool(Pool):
    """Has seats and notes what is asked of it."""

    def __init__(self, seats: Sequence[Seat], *, can: bool = True) -> None:
        self.all = list(seats)
        self.can = can
        self.replaced: list[Seat] = []

    def run(self) -> None:
        raise NotImplementedError

    def stop(self, mode: StopMode) -> None:
        raise NotImplementedError

    def seats(self) -> Sequence[Seat]:
        return self.all

    def replace(self, seat: Seat) -> bool:
        self.replaced.append(seat)
        return self.can


class Watch:
    """A watchdog with a clock of its own."""

    def __init__(self, pool: Pool, backend: Any = None) -> None:
        self.now = 1000.0
        stores = dataclasses.replace(Shop().stores, backend=backend) if backend else Shop().stores
        self.dog = Watchdog(pool, stores, period=PERIOD, clock=lambda: self.now)

    def pass_(self, seconds: float, *, step: float = 1.0) -> None:
        for _ in range(round(seconds / step)):
            self.now += step
            self.dog.look()


@pytest.fixture
def seat() -> LocalSeat:
    made = LocalSeat()
    made.consumer_id = "me"
    made.come_round()
    return made


def test_one_that_is_silent_for_the_whole_time_is_replaced(seat: LocalSeat) -> None:
    pool = StubPool([seat])
    watch = Watch(pool)
    watch.pass_(PERIOD * 0.9)
    assert pool.replaced == []
    watch.pass_(PERIOD * 0.4)
    assert pool.replaced == [seat]


def test_one_that_never_registered_is_replaced_too() -> None:
    pool = StubPool([LocalSeat()])
    Watch(pool).pass_(PERIOD * 1.3)
    assert len(pool.replaced) == 1


@pytest.mark.parametrize("sign", ["come_round", "body", "end of a body"])
def test_one_that_shows_life_is_left_alone(seat: LocalSeat, sign: str) -> None:
    pool = StubPool([seat])
    watch = Watch(pool)
    for number in range(8):
        if sign == "come_round":
            seat.came_round = 1.0 + number
        elif sign == "end of a body":
            seat.finished += 1
        watch.pass_(PERIOD * 0.5)
        if sign == "body":
            seat.begin(number, 0.0, 0.0, 0.0)
            watch.pass_(PERIOD * 5)
            seat.receipt = -1
    assert pool.replaced == []


def test_a_server_that_is_away_excuses_everybody(seat: LocalSeat) -> None:
    pool = StubPool([seat])
    watch = Watch(pool)
    for _ in range(10):
        watch.pass_(PERIOD * 0.5)
        watch.dog.trouble()
    assert pool.replaced == []


def test_results_that_cannot_be_stored_excuse_everybody(seat: LocalSeat) -> None:
    class Away:
        asked = 0

        def get(self, task_ids: Sequence[str]) -> Any:
            self.asked += 1
            raise BackendUnavailable("away")

    pool, backend = StubPool([seat]), Away()
    Watch(pool, backend).pass_(PERIOD * 5)
    assert pool.replaced == []
    assert backend.asked


def test_a_time_in_which_nobody_looked_is_no_silence(seat: LocalSeat) -> None:
    pool = StubPool([seat])
    watch = Watch(pool)
    for _ in range(5):
        watch.pass_(PERIOD * 0.7)
        watch.now += 10 * PERIOD
    assert pool.replaced == []


def test_a_pool_that_cannot_replace_it_is_told_on(seat: LocalSeat, caplog: pytest.LogCaptureFixture) -> None:
    pool = StubPool([seat], can=False)
    Watch(pool).pass_(PERIOD * 1.3)
    assert "restart the worker" in caplog.text
    assert "consumer me" in caplog.text


def test_it_looks_seldom(seat: LocalSeat) -> None:
    class Counting(StubPool):
        looks = 0

        def seats(self) -> Sequence[Seat]:
            self.looks += 1
            return super().seats()

    pool = Counting([seat])
    Watch(pool).pass_(PERIOD)
    assert pool.looks <= LOOKS + 1


def test_a_worker_is_stuck_from_when_a_seat_that_cannot_be_replaced_fell_silent_until_it_moves(
    seat: LocalSeat,
) -> None:
    watch = Watch(StubPool([seat], can=False))
    watch.pass_(PERIOD / 2)
    assert watch.dog.stuck() is None
    watch.pass_(PERIOD)
    assert "neither runs nor asks" in str(watch.dog.stuck())
    seat.come_round()
    assert watch.dog.stuck() is None


def test_a_seat_that_is_replaced_leaves_no_worker_stuck(seat: LocalSeat) -> None:
    watch = Watch(StubPool([seat], can=True))
    watch.pass_(2 * PERIOD)
    assert watch.dog.stuck() is None
