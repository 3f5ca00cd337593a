"""Both engines on the memory broker: nothing lost, nothing doubled, whatever happens meanwhile."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.tests.worker.workshop import Shop, executor, flaky, message, plan, running, until
from tq import Reject, states
from tq.contracts.pool import Engine, Seat, StopMode
from tq.records import Envelope, Heartbeat, Revocation
from tq.wire.call import TaskCall
from tq.worker import link
from tq.worker.execute import Executor
from tq.worker.follow import FollowUp
from tq.worker.revocations import Revocations

Make = Callable[..., tuple[Engine, list[Seat]]]


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture(params=["inline", "slots"])
def make(request: pytest.FixtureRequest) -> Make:
    """Make the engine of either kind for a shop; the second kind has three slots."""

    def make(shop: Shop, work: Executor, **more: Any) -> tuple[Engine, list[Seat]]:
        if request.param == "inline":
            engine, seat = shop.inline(work, **more)
            return engine, [seat]
        slots, seats = shop.slots(work, more.pop("count", 3), **more)
        return slots, list(seats)

    return make


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Bodies may wait for it; it opens at the end in any case."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def quick_reconnects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "reconnect_delays", lambda **_: itertools.repeat(0.001))
    monkeypatch.setattr(link, "_PAUSE", 0.001)


def counting(shop: Shop) -> Any:
    """A body that notes its number."""

    def body(number: int) -> int:
        shop.ran.append(number)
        return number * 2

    return body


def test_every_task_runs_once_and_has_its_result(shop: Shop, make: Make) -> None:
    ids = shop.send(500)
    engine, _ = make(shop, executor(plan(counting(shop))))
    with running(engine):
        until(lambda: shop.done(ids), "the results")
    assert sorted(shop.ran) == list(range(500))
    assert [shop.results(ids)[task_id].result for task_id in ids] == [n * 2 for n in range(500)]
    assert shop.is_empty()


def test_what_comes_later_is_taken_as_well(shop: Shop, make: Make) -> None:
    engine, _ = make(shop, executor(plan(counting(shop))))
    with running(engine):
        for turn in (1, 2):
            shop.send(20)
            until(lambda turn=turn: len(shop.ran) == 20 * turn, "what came later")  # type: ignore[misc]
        until(shop.is_empty, "the settlements")


def held_and_waiting(shop: Shop) -> tuple[int | None, int]:
    stats = shop.broker.stats("q")
    return stats.in_flight, stats.ready


def test_what_waits_behind_a_slow_body_goes_back_in_order(
    shop: Shop, make: Make, gate: threading.Event
) -> None:
    entered = threading.Event()

    def body(number: int) -> None:
        shop.ran.append(number)
        if number >= 300:
            entered.set()
            gate.wait(20)

    ids = shop.send(303)
    engine, seats = make(shop, executor(plan(body), plan(lambda number: number, name="other")))
    slow = len(seats)
    with running(engine):
        until(lambda: sum(number >= 300 for number in shop.ran) == slow, "slow bodies")
        more = shop.send(20, task="other")
        # All others are settled, and what waits is where another worker finds it: given back, if it was asked for already.
        until(lambda: held_and_waiting(shop) == (slow, 3 - slow + len(more)), "giving back")
        assert shop.done(ids[:300])
        gate.set()
        until(lambda: shop.done(ids), "the rest")
    assert sorted(shop.ran) == list(range(303))


def test_a_warm_stop_finishes_what_runs_and_gives_back_the_rest(
    shop: Shop, make: Make, gate: threading.Event
) -> None:
    def body(number: int) -> int:
        shop.ran.append(number)
        gate.wait(20)
        return number

    ids = shop.send(30)
    engine, seats = make(shop, executor(plan(body)))
    with running(engine):
        until(lambda: len(shop.ran) == len(seats), "bodies")
        engine.stop(StopMode.WARM)
        gate.set()
    ran = sorted(shop.ran)
    assert len(ran) == len(seats)
    assert shop.done([ids[number] for number in ran])
    assert shop.waiting() == [number for number in range(30) if number not in ran]


def test_a_cold_stop_gives_back_what_runs_as_well(shop: Shop, gate: threading.Event) -> None:
    def body(number: int) -> int:
        shop.ran.append(number)
        gate.wait(20)
        return number

    ids = shop.send(10)
    engine, _ = shop.slots(executor(plan(body)), 3)
    with running(engine, StopMode.COLD):
        until(lambda: len(shop.ran) == 3, "bodies")
    gate.set()
    until(lambda: all(thread.name != "tq-test-body" for thread in threading.enumerate()), "the end of bodies")
    assert shop.results(ids) == {}
    assert shop.waiting() == list(range(10))


def test_a_stop_before_the_start_is_a_stop(shop: Shop, make: Make) -> None:
    shop.send(5)
    engine, _ = make(shop, executor(plan(counting(shop))))
    engine.stop(StopMode.WARM)
    engine.run()
    assert shop.ran == []
    assert shop.waiting() == list(range(5))


def test_a_stop_while_idle_is_quick(shop: Shop, make: Make) -> None:
    engine, seats = make(shop, executor(plan(counting(shop))))
    began = time.monotonic()
    with running(engine):
        until(lambda: seats[0].consumer_id, "the consumer")
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("max_tasks", [1, 2, 7, 300])
def test_max_tasks_is_exact_and_nothing_more_is_held(shop: Shop, max_tasks: int) -> None:
    ids = shop.send(400)
    engine, seat = shop.inline(executor(plan(counting(shop))), max_tasks=max_tasks)
    engine.run()
    assert shop.ran == list(range(max_tasks))
    assert seat.finished == max_tasks
    assert shop.done(ids[:max_tasks])
    assert shop.waiting() == list(range(max_tasks, 400))


def test_only_bodies_that_ran_count_for_max_tasks(shop: Shop) -> None:
    shop.send(3, task="unknown")
    ids = shop.send(2)
    engine, _ = shop.inline(executor(plan(counting(shop))), max_tasks=2)
    engine.run()
    assert shop.done(ids)
    assert shop.broker.stats("q").dead == 3


# -- leases and outages --------------------------------------------------------------------------------------


def test_an_engine_whose_lease_was_lost_goes_on_with_a_new_id(shop: Shop, make: Make) -> None:
    lost = threading.Event()

    def body(number: int) -> int:
        shop.ran.append(number)
        if number == 5 and not lost.is_set():
            lost.set()
            shop.broker.release(shop.ids[-1])
        return number

    ids = shop.send(40)
    engine, seats = make(shop, executor(plan(body)))
    with running(engine):
        until(lambda: shop.done(ids) and shop.is_empty(), "the results")
        assert seats[0].consumer_id == shop.ids[-1]
    assert len(shop.ids) == len(set(shop.ids)) >= 2
    assert set(shop.ran) == set(range(40))
    # What was held came again; each message no more than once for each of the two consumers.
    assert max(Counter(shop.ran).values()) <= 2


@pytest.mark.usefixtures("quick_reconnects")
@pytest.mark.parametrize("seed", range(4))
def test_a_line_that_is_cut_now_and_then_loses_and_doubles_nothing(make: Make, seed: int) -> None:
    url = f"memory://flaky-{seed}-{time.monotonic_ns()}"
    shop = Shop(url, broker=flaky(url, 0.15, seed))
    ids = shop.send(150)
    engine, _ = make(shop, executor(plan(counting(shop))), largest_batch=32)
    with running(engine):
        until(lambda: shop.done(ids) and shop.is_empty(), "the results")
    assert sorted(shop.ran) == list(range(150))
    assert len(shop.ids) == 1


@pytest.mark.usefixtures("quick_reconnects")
def test_a_follow_up_is_sent_once_though_its_settlement_was_tried_twice(make: Make) -> None:
    url = f"memory://follow-{time.monotonic_ns()}"
    shop = Shop(url, broker=flaky(url, 0.2, 11))
    ids = shop.send(60, callbacks=[{"task": "c"}])
    work = executor(
        plan(counting(shop)),
        follow_up=lambda call, outcome, delivery: FollowUp(
            (Envelope(message(TaskCall(f"n{call.id}", "c")), "next"),)
        ),
    )
    engine, _ = make(shop, work, largest_batch=16)
    with running(engine):
        until(lambda: shop.done(ids) and shop.is_empty(), "the results")
    assert shop.broker.stats("next").ready == 60


# -- acknowledging early, started, revoked ---------------------------------------------------------------------


def test_acks_late_off_acknowledges_before_the_body(shop: Shop, make: Make, gate: threading.Event) -> None:
    def body(number: int) -> int:
        shop.ran.append(shop.broker.stats("q").in_flight)
        return number

    ids = shop.send(5)
    engine, _ = make(shop, executor(plan(body, acks_late=False)), largest_batch=1)
    with running(engine):
        until(lambda: shop.done(ids), "the results")
    assert shop.is_empty()
    assert min(shop.ran) == 0


def test_acks_late_off_and_a_cold_stop_run_nothing_twice(shop: Shop, gate: threading.Event) -> None:
    def body(number: int) -> None:
        shop.ran.append(number)
        gate.wait(20)

    shop.send(6)
    engine, _ = shop.slots(executor(plan(body, acks_late=False)), 2)
    with running(engine, StopMode.COLD):
        until(lambda: len(shop.ran) == 2, "bodies")
    gate.set()
    assert shop.waiting() == [number for number in range(6) if number not in shop.ran]


def test_acks_late_off_and_a_lost_lease_start_nothing(shop: Shop, make: Make) -> None:
    ids = shop.send(1)
    calls: list[int] = []
    settle = type(shop.broker.consumer(("x",), "x", lease=1)).settle

    def once_lost(consumer: Any, batch: Any) -> Any:
        calls.append(len(batch))
        if len(calls) == 1:
            shop.broker.release(consumer.id)
        return settle(consumer, batch)

    work = executor(plan(counting(shop), acks_late=False))
    engine, _ = make(shop, work)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tq.brokers.memory.MemoryConsumer.settle", once_lost)
        with running(engine):
            until(lambda: shop.done(ids), "the result")
    assert shop.ran == [0]


def test_started_is_stored_while_the_body_runs(shop: Shop, make: Make, gate: threading.Event) -> None:
    ids = shop.send(1)

    def body(number: int) -> int:
        gate.wait(20)
        return number

    engine, _ = make(shop, executor(plan(body, track_started=True)))
    with running(engine):
        until(lambda: shop.results(ids), "STARTED")
        meta = shop.results(ids)[ids[0]]
        assert meta.status == states.STARTED
        assert meta.result["hostname"] == "w@test"
        assert isinstance(meta.result["pid"], int)
        gate.set()
        until(lambda: shop.done(ids), "the result")


def test_what_was_revoked_while_it_waited_does_not_run(shop: Shop, make: Make) -> None:
    ids = shop.send(10)
    shop.broker.revoke([Revocation(ids[3]), Revocation(ids[7])], expires=60)
    work = executor(plan(counting(shop)), revocations=Revocations(shop.broker))
    engine, _ = make(shop, work)
    with running(engine):
        until(lambda: shop.done(ids), "the results")
    assert sorted(shop.ran) == [0, 1, 2, 4, 5, 6, 8, 9]
    assert [i for i in ids if shop.results(ids)[i].status == states.REVOKED] == [ids[3], ids[7]]


def test_a_rejected_message_comes_again_and_a_poisonous_one_ends(shop: Shop, make: Make) -> None:
    def body(number: int) -> int:
        shop.ran.append(number)
        if shop.ran.count(number) < 3:
            raise Reject("later", requeue=True)
        return number

    ids = shop.send(4)
    shop.broker.put_raw("q", b"\xff garbage")
    engine, _ = make(shop, executor(plan(body)))
    with running(engine):
        until(lambda: shop.done(ids), "the results")
    assert Counter(shop.ran) == {number: 3 for number in range(4)}
    assert shop.broker.stats("q").dead == 1


def test_a_heartbeat_between_keeps_the_lease_and_without_one_it_ends(
    make: Make, gate: threading.Event
) -> None:
    shop = Shop(lease=0.3)

    def body(number: int) -> int:
        shop.ran.append(number)
        gate.wait(20)
        return number

    ids = shop.send(1)
    engine, _ = make(shop, executor(plan(body)))
    with running(engine):
        until(lambda: shop.ran, "the body")
        for _ in range(4):
            time.sleep(0.1)
            assert shop.broker.heartbeat([Heartbeat(shop.ids[0], (0,))], lease=0.3) == [True]
            assert shop.broker.maintain(["q"]) == []
        assert shop.broker.stats("q").in_flight == 1
        gate.set()
        until(lambda: shop.done(ids) and shop.is_empty(), "the result")
    assert shop.ran == [0]
