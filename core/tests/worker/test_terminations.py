"""Revocations that end what runs: whom they reach, for how long they are looked for, and what they leave alone."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import ClassVar

import pytest

from core.tests.worker.workshop import Shop, executor, plan
from tq.contracts.broker import Cap, Consumer
from tq.contracts.pool import Pool, PoolCap, Seat, StopMode
from tq.errors import BrokerUnavailable
from tq.records import Delivery, Revocation
from tq.wire.stamps import stamp_key
from tq.worker.losses import Losses
from tq.worker.revocations import FRESH
from tq.worker.seat import LocalSeat
from tq.worker.setup import WorkerSetup
from tq.worker.terminations import WINDOW, Terminations


class Clock:
    """Stands still until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Killer(Pool):
    """Keeps account of whom it was told to end."""

    capabilities: ClassVar[PoolCap] = PoolCap.TERMINATE
    runs = True

    def __init__(self, setup: WorkerSetup, seats: Sequence[Seat]) -> None:
        super().__init__(setup)
        self._seats = seats
        self.ended: list[tuple[int, int]] = []

    def run(self) -> None: ...

    def stop(self, mode: StopMode) -> None: ...

    def seats(self) -> Sequence[Seat]:
        return self._seats

    def terminate(self, seat: Seat, receipt: int, signal: int) -> bool:
        if self.runs:
            self.ended.append((receipt, signal))
        return self.runs


class Peaceful(Killer):
    """Cannot end what runs."""

    capabilities: ClassVar[PoolCap] = PoolCap.NONE


class Scene:
    """Tasks t-0, t-1 and t-2 are held; the seats run the first two."""

    def __init__(self, pool: type[Killer] = Killer) -> None:
        self.shop = Shop()
        self.shop.send(3)
        self.consumer: Consumer = self.shop.broker.consumer(("q",), "c", lease=30)
        self.held: Sequence[Delivery] = self.consumer.receive(3, 0)
        self.seats = [LocalSeat(), LocalSeat(), LocalSeat()]
        for seat, delivery in zip(self.seats, self.held[:2], strict=False):
            seat.consumer_id = "c"
            seat.begin(int(delivery.receipt), 1.0, 0.0, 0.0)
        self.seats[2].consumer_id = "c"
        work = executor(plan(lambda number: number))
        self.pool = pool(WorkerSetup(self.shop.stores, work, Losses(self.shop.stores, work)), self.seats)
        self.clock = Clock()
        self.terminations = Terminations(self.shop.broker, self.pool, self.clock)

    def revoke(self, task_id: str, terminate: bool = True, name: str = "SIGTERM") -> None:
        self.shop.broker.revoke([Revocation(task_id, terminate, name)], expires=60)

    def tick(self, later: float = FRESH) -> list[tuple[int, int]]:
        """What one look ends, by number."""
        self.clock.now += later
        self.pool.ended.clear()
        self.terminations.tick()
        return list(self.pool.ended)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("SIGKILL", signal.SIGKILL),
        ("term", signal.SIGTERM),
        ("HUP", signal.SIGHUP),
        ("bogus", signal.SIGTERM),
    ],
)
def test_what_runs_is_ended_with_the_signal_that_was_asked_for(name: str, number: int) -> None:
    scene = Scene()
    scene.revoke("t-1", name=name)
    assert scene.tick() == [(int(scene.held[1].receipt), number)]


def test_a_word_that_is_no_signal_is_told(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.revoke("t-0", name="block")
    scene.tick()
    assert "names no signal: 'BLOCK'" in caplog.text


def test_what_only_waits_is_left_alone() -> None:
    scene = Scene()
    scene.revoke("t-2")
    scene.revoke("somebody else's")
    assert scene.tick() == []


def test_a_revocation_without_terminate_ends_nothing() -> None:
    scene = Scene()
    scene.revoke("t-0", terminate=False)
    assert scene.tick() == []


def test_a_task_that_starts_a_little_later_is_found_and_one_much_later_is_not() -> None:
    scene = Scene()
    scene.revoke("t-2")
    assert scene.tick() == []
    receipt = int(scene.held[2].receipt)
    scene.seats[2].begin(receipt, 1.0, 0.0, 0.0)
    assert scene.tick(0.1) == [(receipt, signal.SIGTERM)]
    assert scene.tick(WINDOW) == []


def test_a_body_that_ended_meanwhile_is_not_followed_by_another() -> None:
    scene = Scene()
    scene.revoke("t-0")
    scene.pool.runs = False
    assert scene.tick() == []
    scene.pool.runs = True
    assert scene.tick() == [(int(scene.held[0].receipt), signal.SIGTERM)]


def test_bytes_that_are_no_task_run_on_no_seat_and_harm_nothing() -> None:
    scene = Scene()
    scene.shop.broker.put_raw("q", b"garbage")
    (garbage,) = scene.consumer.receive(1, 0)
    scene.seats[2].begin(int(garbage.receipt), 1.0, 0.0, 0.0)
    scene.revoke("t-0")
    assert scene.tick() == [(int(scene.held[0].receipt), signal.SIGTERM)]


def test_a_pool_that_cannot_end_bodies_is_not_asked_to() -> None:
    scene = Scene(Peaceful)
    scene.revoke("t-0")
    assert scene.tick() == []


def test_without_revocations_the_broker_is_asked_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    asked: list[object] = []
    monkeypatch.setattr(scene.shop.broker, "held", lambda *a: asked.append(a))
    assert scene.tick() == []
    assert asked == []
    assert Cap.REVOKE in scene.shop.broker.capabilities


def test_an_outage_while_it_looks_is_the_callers_and_the_next_look_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    scene.revoke("t-0")

    def away(*_: object) -> Sequence[Delivery]:
        raise BrokerUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(scene.shop.broker, "held", away)
        with pytest.raises(BrokerUnavailable):
            scene.tick()
    assert scene.tick(0.1) == [(int(scene.held[0].receipt), signal.SIGTERM)]


def test_what_runs_is_ended_by_one_of_its_stamps_too() -> None:
    shop = Shop()
    shop.send(1, stamps={"tenant": ["a", "b"]}, stamped_headers=["tenant"])
    (held,) = shop.broker.consumer(("q",), "c", lease=30).receive(1, 0)
    seat = LocalSeat()
    seat.consumer_id = "c"
    seat.begin(int(held.receipt), 1.0, 0.0, 0.0)
    work = executor(plan(lambda number: number))
    pool = Killer(WorkerSetup(shop.stores, work, Losses(shop.stores, work)), [seat])
    terminations = Terminations(shop.broker, pool, Clock())
    shop.broker.revoke([Revocation(stamp_key("tenant", "b"), True)], expires=60)
    terminations.tick()
    assert pool.ended == [(int(held.receipt), signal.SIGTERM)]
