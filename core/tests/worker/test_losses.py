"""What becomes of deliveries whose process died, and who finds out."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from core.tests.worker.workshop import Shop, executor, message, plan, until
from tq import states
from tq.brokers.memory import MemoryBroker
from tq.contracts.broker import Consumer
from tq.contracts.pool import Pool, PoolCap, Seat, StopMode
from tq.errors import BrokerUnavailable, TaskRevoked, TimeLimitExceeded
from tq.records import Envelope
from tq.wire.call import TaskCall
from tq.worker.follow import FollowUp
from tq.worker.keeper import Keeper, beats_of
from tq.worker.losses import Losses
from tq.worker.seat import LocalSeat
from tq.worker.setup import WorkerSetup


@pytest.fixture
def shop() -> Shop:
    return Shop()


def losses_of(shop: Shop, max_attempts: int = 3, **more: Any) -> Losses:
    return Losses(shop.stores, executor(plan(lambda number: number), **more), max_attempts)


def holding(shop: Shop, count: int) -> tuple[Consumer, LocalSeat]:
    """A consumer that holds `count` messages and runs the first."""
    shop.send(count, errbacks=[{"task": "alarm"}])
    consumer = shop.broker.consumer(("q",), f"dead-{time.monotonic_ns()}", lease=30)
    held = consumer.receive(count, 0)
    seat = LocalSeat()
    seat.consumer_id = consumer.id
    seat.begin(int(held[0].receipt), 1.0, 0.0, 0.0)
    return consumer, seat


def attempts(shop: Shop) -> list[int]:
    consumer = shop.broker.consumer(("q",), f"look-{time.monotonic_ns()}", lease=30)
    return [delivery.attempt for delivery in consumer.receive(100, 0)]


def test_what_a_dead_process_ran_is_charged_and_all_goes_back(shop: Shop) -> None:
    losses = losses_of(shop)
    _, seat = holding(shop, 3)
    losses.report(seat, "killed by signal 9")
    assert losses.wake.is_set()
    losses.settle()
    assert attempts(shop) == [2, 1, 1]
    assert shop.results(["t-0"]) == {}


def test_without_blame_nothing_is_charged(shop: Shop) -> None:
    losses = losses_of(shop)
    losses.report(holding(shop, 2)[1], "recycled", charge=False)
    losses.settle()
    assert attempts(shop) == [1, 1]


def test_the_last_attempt_ends_in_the_dead_letters_and_fails(shop: Shop) -> None:
    alarm = Envelope(message(TaskCall("a", "alarm")), "alarms")
    losses = losses_of(shop, max_attempts=1, follow_up=lambda *a: FollowUp((alarm,)))
    losses.report(holding(shop, 2)[1], "killed by signal 9")
    losses.settle()
    meta = shop.results(["t-0"])["t-0"]
    assert (meta.status, meta.result["exc_type"]) == (states.FAILURE, "WorkerLostError")
    assert "killed by signal 9; the message ran 1 times" in meta.result["exc_message"][0]
    (letter,) = shop.broker.dead_letters("q")
    assert letter.reason == "killed by signal 9"
    assert shop.broker.stats("alarms").ready == 1
    assert attempts(shop) == [1]


@pytest.mark.parametrize(
    ("verdict", "state", "kind"),
    [
        (TimeLimitExceeded(5), states.FAILURE, "TimeLimitExceeded"),
        (TaskRevoked("terminated"), states.REVOKED, "TaskRevokedError"),
    ],
)
def test_a_verdict_ends_what_ran_and_nothing_else(
    shop: Shop, verdict: Exception, state: str, kind: str
) -> None:
    alarm = Envelope(message(TaskCall("a", "alarm")), "alarms")
    losses = losses_of(shop, follow_up=lambda *a: FollowUp((alarm,)))
    losses.report(holding(shop, 3)[1], "its time was up", verdict=verdict)
    losses.settle()
    meta = shop.results(["t-0"])["t-0"]
    assert (meta.status, meta.result["exc_type"]) == (state, kind)
    assert shop.broker.stats("alarms").ready == 1
    assert shop.broker.stats("q").dead == 0
    assert attempts(shop) == [1, 1]


def test_a_process_that_ran_nothing_leaves_no_trace(shop: Shop) -> None:
    losses = losses_of(shop)
    _, seat = holding(shop, 2)
    seat.end()
    losses.report(seat, "crashed", verdict=TimeLimitExceeded(1))
    losses.settle()
    assert attempts(shop) == [1, 1]
    losses.report(LocalSeat(), "crashed before it had a consumer")
    assert not losses.waiting


class Broken(MemoryBroker):
    """Cannot release for the first two calls."""

    calls = 0

    def release(self, consumer_id: str, **more: Any) -> Any:
        self.calls += 1
        if self.calls <= 2:
            raise BrokerUnavailable("gone")
        return super().release(consumer_id, **more)


def test_what_cannot_be_given_back_now_is_given_back_later(caplog: pytest.LogCaptureFixture) -> None:
    url = f"memory://broken-{time.monotonic_ns()}"
    shop = Shop(url, broker=Broken(url))
    losses = losses_of(shop)
    losses.report(holding(shop, 2)[1], "killed")
    for _ in range(2):
        losses.settle()
        assert len(losses.waiting) == 1
    losses.settle()
    assert not losses.waiting
    assert attempts(shop) == [2, 1]
    assert "given back later: gone" in caplog.text


def test_a_message_that_cannot_be_read_or_has_no_task_here_ends_as_well(shop: Shop) -> None:
    shop.broker.put_raw("q", b"garbage")
    shop.send(1, task="unknown")
    consumer = shop.broker.consumer(("q",), "c", lease=30)
    losses = losses_of(shop)
    losses.quarantined(consumer.receive(2, 0), "died")
    assert shop.results(["unknown-0"])["unknown-0"].status == states.FAILURE


# -- the keeper ----------------------------------------------------------------------------------------------


class Seats(Pool):
    """A pool that has seats and runs nothing."""

    capabilities: ClassVar[PoolCap] = PoolCap.NONE
    taken: Sequence[Seat] = ()

    def run(self) -> None: ...

    def stop(self, mode: StopMode) -> None: ...

    def seats(self) -> Sequence[Seat]:
        return self.taken


def keeper_of(shop: Shop, losses: Losses | None = None) -> tuple[Keeper, Seats]:
    losses = losses or losses_of(shop)
    setup = WorkerSetup(shop.stores, losses.executor, losses)
    pool = Seats(setup)
    return Keeper(setup, pool), pool


def test_a_heartbeat_names_each_consumer_once_with_all_that_it_runs() -> None:
    pool = keeper_of(Shop())[1]
    seats = [LocalSeat() for _ in range(4)]
    for seat, (consumer, receipt) in zip(seats, [("a", 1), ("a", -1), ("b", 7), ("", 3)], strict=True):
        seat.consumer_id = consumer
        seat.receipt = receipt
    pool.taken = seats
    assert [(beat.consumer_id, beat.running) for beat in beats_of(pool)] == [("a", (1,)), ("b", (7,))]


@contextmanager
def at_work(keeper: Keeper) -> Iterator[None]:
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()


def seat_of(consumer_id: str) -> LocalSeat:
    seat = LocalSeat()
    seat.consumer_id = consumer_id
    return seat


def test_the_keeper_keeps_what_lives_and_takes_back_what_died() -> None:
    shop = Shop(lease=0.3)
    shop.send(2)
    alive = shop.broker.consumer(("q",), "alive", lease=0.3)
    dead = shop.broker.consumer(("q",), "dead", lease=0.3)
    assert len(alive.receive(1, 0)) == len(dead.receive(1, 0)) == 1
    keeper, pool = keeper_of(shop)
    pool.taken = [seat_of("alive")]
    with at_work(keeper):
        until(lambda: shop.broker.stats("q").ready == 1, "what died")
        time.sleep(0.4)
        assert shop.broker.stats("q").in_flight == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "tq-keeper"]


def test_a_reported_loss_is_settled_at_once_and_not_at_the_next_tick() -> None:
    shop = Shop(lease=600)
    losses = losses_of(shop)
    keeper, _ = keeper_of(shop, losses)
    with at_work(keeper):
        losses.report(holding(shop, 2)[1], "killed")
        until(lambda: shop.broker.stats("q").ready == 2, "giving back")


def test_an_outage_does_not_end_the_keeper(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(lease=0.12)
    calls: list[int] = []

    def broken(queues: Sequence[str], *, max_attempts: int = 3) -> Sequence[Any]:
        calls.append(1)
        raise BrokerUnavailable("gone") if len(calls) % 2 else ZeroDivisionError("a bug")

    shop.broker.maintain = broken  # type: ignore[method-assign]
    keeper, _ = keeper_of(shop)
    with at_work(keeper):
        until(lambda: len(calls) >= 4, "ticks")
    assert "heartbeat: gone" in caplog.text
    assert "goes on after an unexpected error" in caplog.text


@pytest.mark.parametrize("trouble", ["it fails", "it takes too long"])
def test_nothing_is_taken_back_before_those_who_live_have_said_so_in_time(trouble: str) -> None:
    shop = Shop(lease=0.6)
    calls: list[str] = []

    def beat(beats: Sequence[Any], *, lease: float) -> Sequence[bool]:
        calls.append("beat")
        if calls.count("beat") == 2:
            if trouble == "it fails":
                raise BrokerUnavailable("gone")
            time.sleep(lease)
        return [True]

    def maintain(queues: Sequence[str], *, max_attempts: int = 3) -> Sequence[Any]:
        calls.append("maintain")
        return ()

    shop.broker.heartbeat = beat  # type: ignore[method-assign]
    shop.broker.maintain = maintain  # type: ignore[method-assign]
    keeper, pool = keeper_of(shop)
    pool.taken = [seat_of("alive")]
    with at_work(keeper):
        until(lambda: calls.count("beat") >= 3 and calls[-1] == "maintain", "beats")
    # The second is repeated before others' leases are looked at.
    second = [at for at, call in enumerate(calls) if call == "beat"][1]
    assert calls[second + 1] == "beat"


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (TimeLimitExceeded(1.0), ("failure", "t-0")),
        (TaskRevoked("terminated"), ("revoked", "t-0")),
    ],
)
def test_hooks_hear_of_the_end_of_a_body_that_was_killed(
    shop: Shop, verdict: Exception, told: tuple[str, str]
) -> None:
    heard: list[tuple[str, str]] = []
    losses = losses_of(shop)
    losses.executor.observers.task_failure = lambda request, exception, traceback: heard.append(
        ("failure", request.id)
    )
    losses.executor.observers.task_revoked = lambda task_id, name, reason: heard.append(("revoked", task_id))
    _, seat = holding(shop, 2)
    losses.report(seat, "killed", verdict=verdict)
    losses.settle()
    assert heard == [told]


def test_hooks_of_a_child_get_what_they_are_promised(shop: Shop) -> None:
    heard: list[dict[str, Any]] = []
    losses = losses_of(shop)
    setup = WorkerSetup(shop.stores, losses.executor, losses, hostname="w@h")
    setup.child_started = setup.child_stopping = lambda **arguments: heard.append(arguments)
    name = multiprocessing.current_process().name
    try:
        setup.in_child(3)
        setup.leave_child(3)
    finally:
        multiprocessing.current_process().name = name
    assert heard == [
        {"hostname": "w@h", "pid": os.getpid()},
        {"hostname": "w@h", "pid": os.getpid(), "exitcode": 0},
    ]
