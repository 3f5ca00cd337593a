"""Messages that kill at once: they are found, and what ran beside them is not blamed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.tests.worker.workshop import Shop, executor, plan, running, until
from tq.contracts.pool import Engine, StopMode
from tq.policy.batch import BatchSize
from tq.worker.execute import Executor

Make = Callable[[Shop, Executor], Engine]


def inline(shop: Shop, work: Executor) -> Engine:
    return shop.inline(work)[0]


def slots(shop: Shop, work: Executor) -> Engine:
    return shop.slots(work, 4)[0]


@pytest.fixture(params=[inline, slots])
def make(request: pytest.FixtureRequest) -> Make:
    found: Make = request.param
    return found


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Bodies may wait for it; it opens at the end in any case."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def large_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines as they are after hours of short tasks."""
    made = BatchSize.__init__

    def init(self: BatchSize, **more: Any) -> None:
        made(self, **more)
        self.limit = 100

    monkeypatch.setattr(BatchSize, "__init__", init)


def charge(shop: Shop, *numbers: int) -> None:
    """The first messages have been with a consumer that died while it ran these of them."""
    dead = shop.broker.consumer(("q",), f"dead-{time.monotonic_ns()}", lease=30)
    held = dead.receive(max(numbers) + 1, 0)
    shop.broker.release(dead.id, running=[int(held[number].receipt) for number in numbers])


def held(shop: Shop) -> set[str]:
    """The ids of what consumers hold."""
    deliveries = [
        parcel.delivery(0) for h in shop.broker._store.holders.values() for parcel in h.held.values()
    ]
    return {str(getattr(each.message, "headers", {})["id"]) for each in deliveries}


@pytest.mark.usefixtures("large_batches")
@pytest.mark.parametrize("charged", [(0,), (1,), (0, 1), (0, 2), (3, 4)])
def test_a_suspect_comes_first_and_is_settled_before_its_neighbours_start(charged: tuple[int, ...]) -> None:
    shop = Shop()
    before: dict[int, set[str]] = {}

    def body(number: int) -> None:
        before[number] = held(shop) & set(ids[:number])

    ids = shop.send(20)
    charge(shop, *charged)
    with running(inline(shop, executor(plan(body)))):
        until(lambda: shop.done(ids), "all")
    suspects = {ids[number] for number in charged}
    assert not any(found & suspects for found in before.values()), "a suspect was not settled yet"
    assert not any(before[number] for number in charged), "a suspect did not come first"
    assert any(before.values()), "nothing came in batches"


def test_the_first_body_of_a_fresh_engine_runs_alone(make: Make, gate: threading.Event) -> None:
    shop = Shop()
    began: list[int] = []

    def body(number: int) -> None:
        began.append(number)
        gate.wait(0 if number else 0.2)
        assert number or began == [0]

    ids = shop.send(8)
    with running(make(shop, executor(plan(body)))):
        until(lambda: shop.done(ids), "all")
    assert {meta.status for meta in shop.results(ids).values()} == {"SUCCESS"}


@pytest.mark.parametrize("charged", [(0,), (1,), (0, 1)])
def test_bodies_on_slots_wait_while_a_suspect_runs(charged: tuple[int, ...], gate: threading.Event) -> None:
    shop = Shop()
    now: set[int] = set()
    beside: dict[int, set[int]] = {}

    def body(number: int) -> None:
        now.add(number)
        gate.wait(0.05)
        beside[number] = now - {number}
        now.discard(number)

    ids = shop.send(12)
    charge(shop, *charged)
    with running(slots(shop, executor(plan(body)))):
        until(lambda: shop.done(ids), "all")
    assert {number: beside[number] for number in charged} == {number: set() for number in charged}
    assert any(beside.values()), "nothing ever ran side by side"


def test_a_suspect_that_takes_long_holds_up_the_others_only_until_a_heartbeat(gate: threading.Event) -> None:
    shop = Shop(lease=0.3)
    began: list[int] = []

    def body(number: int) -> None:
        began.append(number)
        gate.wait(0 if number else 20)

    ids = shop.send(6)
    charge(shop, 0)
    with running(slots(shop, executor(plan(body)))):
        until(lambda: shop.done(ids[1:]), "the others")
        assert not shop.done(ids[:1])
        gate.set()
    assert shop.done(ids)


# -- a worker that is started again after each crash ----------------------------------------------------------


class Life:
    """One start of a worker. Its killer body stands still instead of ending the process."""

    def __init__(self, shop: Shop, kind: Make, killer: int, warm: bool) -> None:
        self.shop = shop
        self.killer = killer
        self.crashed = threading.Event()
        self.gate = threading.Event()
        self.engine = kind(shop, executor(plan(self.body)))
        if warm:
            self.engine._size.limit = 256  # type: ignore[attr-defined]
        self.thread = threading.Thread(target=self.engine.run, daemon=True)
        self.thread.start()

    def body(self, number: int) -> None:
        if number == self.killer:
            self.end_lease()
            self.crashed.set()
            self.gate.wait(20)

    def end_lease(self) -> None:
        """The consumer is dead at once, and others take back what it held."""
        with self.shop.broker._store.lock:
            self.shop.broker._store.holders[self.shop.ids[-1]].until = 0.0
            self.shop.broker.maintain(["q"])

    def end(self) -> None:
        self.engine.stop(StopMode.COLD)
        self.gate.set()
        self.thread.join(20)


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    count=st.integers(0, 60), at=st.integers(0, 60), warm=st.booleans(), kind=st.sampled_from([inline, slots])
)
def test_a_killer_is_a_dead_letter_at_last_and_nothing_else_is(
    count: int, at: int, warm: bool, kind: Make
) -> None:
    shop = Shop()
    killer = min(at, count)
    ids = shop.send(count + 1)
    lives: list[Life] = []
    while not shop.is_empty():
        life = Life(shop, kind, killer, warm)
        lives.append(life)
        until(lambda life=life: life.crashed.is_set() or shop.is_empty(), "a crash, or the end")  # type: ignore[misc]
        life.end()
        assert len(lives) <= 4 + 2 * count, "the killer goes on for ever"
    (letter,) = shop.broker.dead_letters("q")
    assert getattr(letter.message, "headers", {})["id"] == ids[killer]
    assert letter.attempt == 3
    assert shop.done([each for each in ids if each != ids[killer]])
