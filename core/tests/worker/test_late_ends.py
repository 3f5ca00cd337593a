"""Ends of tasks that died, when a store is away just then, and when the worker ends as well."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from core.tests.worker.script import BreakingBackend
from core.tests.worker.workshop import Shop, executor, plan, until
from tq import states
from tq.contracts.pool import Pool, PoolCap, Seat, StopMode
from tq.errors import BackendError, BackendUnavailable, BrokerUnavailable, TimeLimitExceeded
from tq.worker.keeper import Keeper
from tq.worker.losses import Losses
from tq.worker.seat import LocalSeat
from tq.worker.setup import WorkerSetup


@pytest.fixture
def backend() -> BreakingBackend:
    return BreakingBackend()


@pytest.fixture
def shop(backend: BreakingBackend) -> Shop:
    shop = Shop()
    shop.backend = backend
    shop.stores = type(shop.stores)(shop.broker, backend, ("q",), 30.0, shop.stores.new_consumer_id)
    return shop


def losses_of(shop: Shop, max_attempts: int = 3) -> Losses:
    return Losses(shop.stores, executor(plan(lambda number: number)), max_attempts)


def died(shop: Shop, count: int = 2) -> LocalSeat:
    """The seat of a process that held `count` messages and ran the first."""
    shop.send(count)
    consumer = shop.broker.consumer(("q",), f"dead-{time.monotonic_ns()}", lease=30)
    seat = LocalSeat()
    seat.consumer_id = consumer.id
    seat.begin(int(consumer.receive(count, 0)[0].receipt), 1.0, 0.0, 0.0)
    return seat


@pytest.mark.parametrize("error", [BackendUnavailable("away"), BackendError("no room")])
def test_the_end_of_a_task_is_stored_when_the_backend_is_back(
    shop: Shop, backend: BreakingBackend, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    losses = losses_of(shop, max_attempts=1)
    losses.report(died(shop), "killed by signal 9")
    backend.script = [error, error, None]
    losses.settle()
    assert (len(losses.waiting), len(losses.ends)) == (0, 1)
    assert shop.broker.stats("q").ready == 1, "its neighbours wait for no backend"
    losses.settle()
    losses.settle()
    assert shop.results(["t-0"])["t-0"].status == states.FAILURE
    assert not losses.ends
    assert caplog.text.count(f"the end of a task is stored later: {error}") == 2


def test_one_end_that_cannot_be_stored_yet_holds_up_no_other(shop: Shop, backend: BreakingBackend) -> None:
    losses = losses_of(shop)
    shop.send(3)
    consumer = shop.broker.consumer(("q",), "c", lease=30)
    backend.script = [BackendUnavailable("away"), None, None]
    losses.quarantined(consumer.receive(3, 0), "died")
    assert sorted(shop.results(["t-0", "t-1", "t-2"])) == ["t-1", "t-2"]
    losses.settle()
    assert "t-0" in shop.results(["t-0"])


def test_a_verdict_waits_for_the_backend_before_the_message_goes(
    shop: Shop, backend: BreakingBackend
) -> None:
    losses = losses_of(shop)
    losses.report(died(shop), "its time was up", verdict=TimeLimitExceeded(5))
    backend.script = [BackendUnavailable("away")]
    losses.settle()
    assert shop.broker.stats("q").in_flight == 2, "a crash now would lose the verdict"
    losses.settle()
    assert shop.results(["t-0"])["t-0"].result["exc_type"] == "TimeLimitExceeded"
    stats = shop.broker.stats("q")
    assert (stats.in_flight, stats.ready, stats.dead) == (0, 1, 0)


class Idle(Pool):
    """A pool that runs nothing."""

    capabilities: ClassVar[PoolCap] = PoolCap.NONE

    def run(self) -> None: ...

    def stop(self, mode: StopMode) -> None: ...

    def seats(self) -> Sequence[Seat]:
        return ()


def keeper_of(shop: Shop, losses: Losses, **more: Any) -> Keeper:
    setup = WorkerSetup(shop.stores, losses.executor, losses)
    return Keeper(setup, Idle(setup), **more)


def test_what_was_lost_after_the_last_tick_is_settled_at_the_stop(shop: Shop) -> None:
    losses = losses_of(shop, max_attempts=1)
    keeper = keeper_of(shop, losses)
    keeper.start()
    keeper._ended = True
    losses.wake.set()
    keeper._thread.join(5)
    losses.report(died(shop), "killed while it stopped")
    keeper.stop()
    assert shop.results(["t-0"])["t-0"].status == states.FAILURE
    assert shop.broker.stats("q").ready == 1


def test_a_broker_that_is_away_at_the_stop_does_not_spoil_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    losses = losses_of(shop)
    keeper = keeper_of(shop, losses)
    keeper.start()

    def away(*_: Any, **__: Any) -> Any:
        raise BrokerUnavailable("gone")

    monkeypatch.setattr(shop.broker, "release", away)
    losses.report(died(shop), "killed")
    keeper.stop()
    assert "is given back later: gone" in caplog.text
    assert len(losses.waiting) == 1


def test_a_worker_that_finds_a_dead_letter_of_another_stores_its_end(shop: Shop) -> None:
    died(shop)
    for holder in shop.broker._store.holders.values():
        holder.until = 0.0
    losses = losses_of(shop, max_attempts=1)
    ticks: list[int] = []
    keeper = keeper_of(shop, losses, on_tick=lambda: ticks.append(1))
    keeper.start()
    losses.wake.set()
    until(lambda: ticks, "a tick")
    keeper.stop()
    meta = shop.results(["t-0"])["t-0"]
    assert meta.status == states.FAILURE
    assert "the worker that ran it died" in meta.result["exc_message"][0]
