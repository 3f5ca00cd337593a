"""A broker without leases: the parent of a child that died says what it ran, or it would run again."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import pytest

from core.tests.worker.test_early import PaperSeat
from core.tests.worker.test_late_ends import died
from core.tests.worker.test_losses import losses_of
from core.tests.worker.workshop import Shop, executor, plan, running, until
from tq.contracts.broker import Cap
from tq.errors import BrokerUnavailable, TimeLimitExceeded
from tq.records import Action, Delivery, Envelope, Message
from tq.wire.arrived import Arrived, arrive
from tq.wire.call import TaskCall
from tq.wire.envelope import pack
from tq.wire.json import JsonSerializer
from tq.wire.protocol import write_task
from tq.worker import early
from tq.worker.engine import InlineEngine
from tq.worker.seat import LocalSeat


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def unleased(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(shop.broker, "capabilities", Cap.DELAY, raising=False)
    return shop


class Ended(NamedTuple):
    """A call of `Broker.end_run`."""

    consumer_id: str
    task_id: Any
    action: Action
    reason: str


@pytest.fixture
def ended(unleased: Shop, monkeypatch: pytest.MonkeyPatch) -> list[Ended]:
    """What a broker without leases is told."""
    calls: list[Ended] = []

    def end_run(
        consumer_id: str, delivery: Delivery, *, action: Action, reason: str, max_attempts: int
    ) -> Any:
        assert isinstance(delivery.message, Message)
        assert (delivery.attempt, delivery.token, max_attempts) == (2, b"handle", 3)
        calls.append(Ended(consumer_id, delivery.message.headers["id"], action, reason))
        return ()

    monkeypatch.setattr(unleased.broker, "end_run", end_run)
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


# -- notes ---------------------------------------------------------------------------------------------


def test_each_body_finds_itself_noted_and_few_notes_are_written(unleased: Shop) -> None:
    shop, seat = unleased, PaperSeat()
    seen: list[Any] = []

    def body(number: int) -> None:
        found = early.noted_run(seat, shop.broker) or early.noted(seat, shop.broker)
        assert found is not None
        seen.append(found.message.headers["id"])  # type: ignore[union-attr]

    work = executor(plan(body), plan(body, "soon", acks_late=False), plan(body, "then"))
    engine = InlineEngine(shop.stores, work, seat)
    tasks = [*shop.send(200), *shop.send(2, "soon"), *shop.send(20, "then")]
    with running(engine):
        until(lambda: shop.done(tasks), "the results")
    assert seen == tasks
    # One for a batch, two and one that it is over for what is acknowledged early, and one for the rest of its batch.
    assert len(seat.pages) < 30


def test_no_more_is_noted_at_once_than_a_page_holds(shop: Shop) -> None:
    def delivery(receipt: int, size: int) -> Delivery:
        return Delivery(Message({"id": str(receipt)}, {}, b""), "q", receipt, size=size)

    seat = PaperSeat()
    small, large = early.PAGE // 4, early.PAGE * 2
    sizes = [small, small, large, small]
    batch = [delivery(receipt, size) for receipt, size in enumerate(sizes)]
    assert early.note_all(seat, batch, held=True) == {0, 1}
    assert early.note_all(seat, batch[2:], held=True) == {2}
    assert early.note_all(seat, batch[3:], held=True) == {3}
    assert early.note_all(LocalSeat(), batch, held=True) == {0, 1}


RAW = pack(Envelope(write_task(TaskCall("i", "t", args=(1,)), JsonSerializer()), "q"))


class Shouting(Arrived, frozen=True):
    """A message of a driver that keeps it in another form."""

    def carried(self) -> bytes:
        return b"!" + self.raw if self.untouched else b""


@pytest.mark.parametrize("kind", [Arrived, Shouting])
@pytest.mark.parametrize("changed", [False, True])
def test_a_note_says_what_the_message_said(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, kind: type[Arrived], changed: bool
) -> None:
    plain = arrive(RAW)
    rest = (plain.body, plain.content_type, plain.content_encoding, plain.raw, plain.head, plain.given)
    message = kind(None, None, *rest)  # type: ignore[arg-type]
    monkeypatch.setattr(shop.broker, "read_again", lambda raw: arrive(raw.removeprefix(b"!")), raising=False)
    if changed:
        message.headers["mine"] = "yes"
    seat = PaperSeat()
    seat.begin(7, 1.0, 0.0, 0.0)
    early.note(seat, Delivery(message, "q", 7, 2, token=b"x"), held=True)
    found = early.noted_run(seat, shop.broker)
    assert found is not None
    assert isinstance(found.message, Message)
    assert (found.queue, found.receipt, found.attempt, found.token) == ("q", 7, 2, b"x")
    assert found.message.headers == message.headers
    assert found.message.headers.get("mine") == ("yes" if changed else None)
    assert (found.message.properties, found.message.body) == (message.properties, message.body)
    assert early.noted(seat, shop.broker) is None


def _nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(depth):
        found = {"x": found}
    return found


@pytest.mark.parametrize(
    "odd", ["\ud800", 10**30, _nested(20_000), object()], ids=["surrogate", "number", "nested", "object"]
)
def test_what_a_note_cannot_hold_is_left_out_of_it_and_harms_no_neighbour(shop: Shop, odd: Any) -> None:
    def delivery(receipt: int, **more: Any) -> Delivery:
        return Delivery(Message({"id": f"i{receipt}", **more}, dict(more), b"body"), "q", receipt)

    seat = PaperSeat()
    assert early.note_all(seat, [delivery(1), delivery(2, odd=odd), delivery(3, good=1)], held=True) == {
        1,
        2,
        3,
    }
    for receipt, more in ((1, {}), (2, {}), (3, {"good": 1})):
        seat.begin(receipt, 1.0, 0.0, 0.0)
        found = early.noted_run(seat, shop.broker)
        assert found is not None
        assert isinstance(found.message, Message)
        assert (found.message.headers, found.message.properties) == ({"id": f"i{receipt}", **more}, more)
        assert found.message.body == b"body"
        seat.end()


@pytest.mark.parametrize("odd", ["\ud800", 10**30], ids=["surrogate", "number"])
def test_a_task_with_what_no_note_can_hold_runs_as_others_do(unleased: Shop, odd: Any) -> None:
    shop, ran = unleased, list[int]()
    engine = InlineEngine(shop.stores, executor(plan(ran.append)), PaperSeat())
    calls = [TaskCall(f"t-{n}", "t", (n,), headers={"odd": odd} if n == 1 else {}) for n in range(3)]
    envelopes = [Envelope(write_task(call, JsonSerializer()), "q") for call in calls]
    assert not any(shop.broker.publish(envelopes, timeout=1))
    with running(engine):
        until(lambda: shop.done(["t-0", "t-1", "t-2"]), "the results")
    assert ran == [0, 1, 2]
