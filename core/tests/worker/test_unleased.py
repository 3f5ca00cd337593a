"""A broker without leases: the parent of a child that died says what it ran, or it would run again."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import pytest

from core.tests.worker.test_early import PaperSeat
from core.tests.worker.test_late_ends import died
from core.tests.worker.test_losses import losses_of
from core.tests.worker.workshop import Shop
from tq.contracts.broker import Cap
from tq.errors import BrokerUnavailable, TimeLimitExceeded
from tq.records import Action, Delivery, Message
from tq.worker import early
from tq.worker.seat import LocalSeat


@pytest.fixture
def shop() -> Shop:
    return Shop()


class Ended(NamedTuple):
    """A call of `Broker.end_run`."""

    consumer_id: str
    task_id: Any
    action: Action
    reason: str


@pytest.fixture
def ended(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> list[Ended]:
    """What a broker without leases is told."""
    calls: list[Ended] = []

    def end_run(
        consumer_id: str, delivery: Delivery, *, action: Action, reason: str, max_attempts: int
    ) -> Any:
        assert isinstance(delivery.message, Message)
        assert (delivery.attempt, delivery.token, max_attempts) == (2, b"handle", 3)
        calls.append(Ended(consumer_id, delivery.message.headers["id"], action, reason))
        return ()

    monkeypatch.setattr(shop.broker, "capabilities", Cap.DELAY, raising=False)
    monkeypatch.setattr(shop.broker, "end_run", end_run)
    return calls


def noting(shop: Shop, name: str = "c", *, runs: bool = True) -> PaperSeat:
    """A child that has noted what it runs."""
    shop.send(1)
    (delivery,) = shop.broker.consumer(("q",), name, lease=30).receive(1, 0)
    seat = PaperSeat()
    seat.consumer_id = name
    early.note(seat, msgspec.structs.replace(delivery, attempt=2, token=b"handle"), held=True)
    if runs:
        seat.begin(int(delivery.receipt), 1.0, 0.0, 4.0)
    return seat


def test_a_broker_without_leases_is_told_what_ran(shop: Shop, ended: list[Ended]) -> None:
    losses = losses_of(shop)
    losses.report(noting(shop), "killed")
    losses.settle()
    assert ended == [Ended("c", "t-0", Action.REQUEUE, "killed")]
    assert shop.results(["t-0"]) == {}


def test_and_nothing_where_nothing_ran_or_nobody_could_note_it(shop: Shop, ended: list[Ended]) -> None:
    losses = losses_of(shop)
    losses.report(noting(shop, runs=False), "killed")
    losses.report(noting(shop, "d"), "recycled", charge=False)
    losses.report(LocalSeat(), "killed")
    losses.settle()
    assert ended == []


def test_who_is_killed_for_its_time_limit_is_told_of_before_and_once(shop: Shop, ended: list[Ended]) -> None:
    losses, seat = losses_of(shop), noting(shop)
    losses.condemn(seat, "its time was up", TimeLimitExceeded(3))
    assert shop.results(["t-0"])["t-0"].result["exc_type"] == "TimeLimitExceeded"
    losses.report(seat, "its time was up", verdict=TimeLimitExceeded(3))
    losses.settle()
    assert ended == [Ended("c", "t-0", Action.ACK, "its time was up")]
    assert losses.condemned == set()


def test_what_could_not_be_said_before_the_kill_is_said_afterwards(
    shop: Shop, ended: list[Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, seat = losses_of(shop), noting(shop)

    def away(*_: Any, **__: Any) -> Any:
        raise BrokerUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(shop.broker, "end_run", away)
        losses.condemn(seat, "its time was up", TimeLimitExceeded(3))
    losses.report(seat, "its time was up", verdict=TimeLimitExceeded(3))
    losses.settle()
    assert [each.action for each in ended] == [Action.ACK]


def test_a_broker_with_leases_is_told_nothing_before_the_kill(shop: Shop) -> None:
    losses = losses_of(shop)
    losses.condemn(died(shop), "its time was up", TimeLimitExceeded(3))
    assert shop.results(["t-0"]) == {}
    assert shop.broker.stats("q").in_flight == 2
