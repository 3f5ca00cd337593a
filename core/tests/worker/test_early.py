"""Tasks that are acknowledged before they run: each ends in a state that somebody can see, whoever dies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from core.tests.worker.test_losses import losses_of
from core.tests.worker.workshop import Shop, executor, plan, running, until
from tq import states
from tq.brokers.memory import MemoryConsumer
from tq.contracts.pool import Notebook, StopMode
from tq.errors import BrokerUnavailable, Reject, TimeLimitExceeded
from tq.worker import early
from tq.worker.engine import InlineEngine
from tq.worker.follow import NOTHING, FollowUp
from tq.worker.seat import LocalSeat


class PaperSeat(LocalSeat):
    """A seat with room for a note, and all that was noted."""

    def __init__(self) -> None:
        super().__init__()
        self.noted = b""
        self.pages: list[bool] = []

    def note(self, data: bytes) -> None:
        self.noted = data
        self.pages.append(bool(data))


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def state_of(shop: Shop, task_id: str = "t-0") -> str:
    found = shop.results([task_id]).get(task_id)
    return found.status if found else states.PENDING


def test_it_is_started_for_all_to_see_before_it_is_gone_from_the_broker(
    shop: Shop, gate: threading.Event
) -> None:
    engine, _ = shop.inline(executor(plan(lambda number: gate.wait(20), acks_late=False)))
    ids = shop.send(1)
    with running(engine):
        until(lambda: shop.results(ids), "STARTED")
        assert state_of(shop) == states.STARTED
        gate.set()
        until(lambda: shop.done(ids), "the result")


def test_a_result_that_nobody_wants_is_not_started_either(shop: Shop) -> None:
    ran: list[int] = []
    engine, _ = shop.inline(executor(plan(ran.append, acks_late=False, ignore_result=True)))
    ids = shop.send(1)
    with running(engine):
        until(lambda: ran, "the body")
        until(shop.is_empty, "its end")
    assert shop.results(ids) == {}


def test_the_seat_has_a_note_from_before_the_acknowledgement_to_the_end(shop: Shop) -> None:
    seat = PaperSeat()
    seen: list[Any] = []

    def body(number: int) -> None:
        found = early.noted(seat, shop.broker)
        assert found is not None
        seen.append(found.message.headers["id"])  # type: ignore[union-attr]

    work = executor(plan(body, acks_late=False), plan(lambda number: None, name="late"))
    engine = InlineEngine(shop.stores, work, seat)
    assert isinstance(seat, Notebook)
    ids = [*shop.send(2), *shop.send(2, "late")]
    with running(engine):
        until(lambda: shop.done(ids), "the results")
        until(lambda: not seat.noted, "a clean page")
    assert seen == ["t-0", "t-1"]
    assert seat.pages == [True, False] * 2


def noting(shop: Shop) -> tuple[MemoryConsumer, PaperSeat]:
    """A child that has noted its delivery, and not acknowledged it yet."""
    shop.send(1, errbacks=[{"task": "alarm"}])
    consumer = shop.broker.consumer(("q",), "c", lease=30)
    (delivery,) = consumer.receive(1, 0)
    seat = PaperSeat()
    seat.consumer_id = "c"
    early.note(seat, delivery)
    return consumer, seat  # type: ignore[return-value]


def acknowledged(shop: Shop) -> PaperSeat:
    """A child that has acknowledged its delivery, and runs it."""
    from tq.records import Settlement

    consumer, seat = noting(shop)
    found = early.noted(seat, shop.broker)
    assert found is not None
    assert list(consumer.settle([Settlement(found)])) == [True]
    seat.begin(int(found.receipt), 1.0, 0.0, 0.0)
    return seat


@pytest.mark.parametrize("charge", [True, False])
def test_a_child_that_dies_with_it_leaves_a_failure(shop: Shop, charge: bool) -> None:
    losses = losses_of(shop)
    losses.report(acknowledged(shop), "was killed by SIGKILL", charge=charge)
    losses.settle()
    meta = shop.results(["t-0"])["t-0"]
    assert (meta.status, meta.result["exc_type"]) == (states.FAILURE, "WorkerLostError")
    assert "was killed by SIGKILL; it was acknowledged before it ran" in meta.result["exc_message"][0]
    assert shop.is_empty()


def test_one_that_ran_into_its_time_limit_says_so(shop: Shop) -> None:
    losses = losses_of(shop)
    losses.report(acknowledged(shop), "ran into its time limit", verdict=TimeLimitExceeded(3))
    losses.settle()
    assert shop.results(["t-0"])["t-0"].result["exc_type"] == "TimeLimitExceeded"


def test_what_was_not_acknowledged_yet_goes_back_and_has_not_failed(shop: Shop) -> None:
    losses = losses_of(shop)
    losses.report(noting(shop)[1], "was killed by SIGKILL")
    losses.settle()
    assert state_of(shop) == states.PENDING
    assert shop.waiting() == [0]


def test_an_outage_meanwhile_is_waited_for_and_the_failure_told_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []

    def follow_up(*said: Any) -> FollowUp:
        told.append(said)
        return NOTHING

    losses = losses_of(shop, follow_up=follow_up)
    losses.report(acknowledged(shop), "was killed by SIGKILL")

    def away(*_: Any, **__: Any) -> Any:
        raise BrokerUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(shop.broker, "release", away)
        losses.settle()
    losses.settle()
    assert state_of(shop) == states.FAILURE
    assert len(told) == 1


def test_an_acknowledgement_in_doubt_is_repeated_and_the_task_runs_once(shop: Shop) -> None:
    ran: list[int] = []
    settle = MemoryConsumer.settle
    calls: list[int] = []

    def answer_lost(consumer: Any, batch: Any) -> Any:
        done = settle(consumer, batch)
        calls.append(len(batch))
        if len(calls) == 1:
            raise BrokerUnavailable("the line is cut")
        return done

    engine, _ = shop.inline(executor(plan(ran.append, acks_late=False)))
    ids = shop.send(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryConsumer, "settle", answer_lost)
        with running(engine):
            until(lambda: shop.done(ids), "the result")
    assert ran == [0]
    assert state_of(shop) == states.SUCCESS


def test_a_cold_stop_that_breaks_it_off_leaves_a_failure(shop: Shop, gate: threading.Event) -> None:
    engine, _ = shop.slots(executor(plan(lambda number: gate.wait(20), acks_late=False)), 1)
    shop.send(1)
    with running(engine, StopMode.COLD):
        until(lambda: state_of(shop) == states.STARTED, "STARTED")
    assert state_of(shop) == states.FAILURE
    assert shop.is_empty()


def test_one_that_asks_to_go_back_has_failed_for_it_cannot(shop: Shop) -> None:
    def body(number: int) -> None:
        raise Reject("later", requeue=True)

    for engine in (
        shop.inline(executor(plan(body, acks_late=False)))[0],
        shop.slots(executor(plan(body, acks_late=False)), 1)[0],
    ):
        ids = shop.send(1)
        with running(engine):
            until(lambda: shop.done(ids), "the end")  # noqa: B023
        assert state_of(shop) == states.FAILURE
        shop.backend.forget(ids)
