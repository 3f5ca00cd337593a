"""Waiting: a consumer with nothing to do is woken by the server, and costs next to nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.services.redis import RedisServer
from tq.errors import LeaseLost
from tq.records import Action
from tq.testing.broker_kit import BrokerKit, beat, envelope, ids, settle
from tq_redis import waiting
from tq_redis.link import Link

if TYPE_CHECKING:
    from tests.services.kits import NewKit


@pytest.fixture
def no_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the look at each second, only a wake-up ends a wait."""
    monkeypatch.setattr(waiting, "TICK", 60.0)


@pytest.fixture
def in_a_thread(raw: redis.Redis, kit: BrokerKit) -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Run a call that waits in a thread; returns when it waits at the server, with a way to get its result."""
    threads = []

    def start(call: Callable[[], Any]) -> Callable[[], Any]:
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(call()))
        thread.start()
        threads.append(thread)
        kit.eventually(lambda: raw.info("clients")["blocked_clients"], "the consumer waits")
        time.sleep(0.05)  # A connection that waits since an earlier call says nothing of this one.

        def result() -> Any:
            thread.join(5)
            assert found, "the wait did not end"
            return found[0]

        return result

    yield start
    for thread in threads:
        thread.join(60)


@pytest.mark.usefixtures("no_tick")
@pytest.mark.parametrize("how", [{}, {"priority": 5}, {"delay": 0.05}, {"unique": True}])
def test_every_publish_wakes_a_waiting_consumer(
    kit: BrokerKit, in_a_thread: Any, how: dict[str, Any]
) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    for number in range(2):
        result = in_a_thread(lambda: consumer.receive(1, 30))
        kit.send(broker, "q", f"{number}", **how)
        assert ids(result()) == [f"{number}"]


@pytest.mark.usefixtures("no_tick")
def test_a_push_by_celery_wakes_a_waiting_consumer(
    kit: BrokerKit, raw: redis.Redis, in_a_thread: Any
) -> None:
    consumer = kit.consumer(kit.broker(), "q")
    result = in_a_thread(lambda: consumer.receive(1, 30))
    raw.lpush("q", b"from elsewhere")
    assert len(result()) == 1


def test_kombus_lists_are_looked_at_each_second(kit: BrokerKit, raw: redis.Redis, in_a_thread: Any) -> None:
    consumer = kit.consumer(kit.broker(), "q")
    result = in_a_thread(lambda: consumer.receive(1, 30))
    raw.lpush("q\x06\x166", b"from elsewhere")
    assert len(result()) == 1


@pytest.mark.usefixtures("no_tick")
def test_each_of_several_queues_wakes(kit: BrokerKit, in_a_thread: Any) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "a", "b", "c")
    for queue in ("c", "a", "b", "b", "c"):
        result = in_a_thread(lambda: consumer.receive(1, 30))
        kit.send(broker, queue, queue)
        assert ids(result()) == [queue]


def test_several_queues_wake_also_after_a_quiet_second(kit: BrokerKit, in_a_thread: Any) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "a", "b")
    result = in_a_thread(lambda: consumer.receive(1, 30))
    time.sleep(2.3)
    kit.send(broker, "b", "one")
    assert ids(result()) == ["one"]


@pytest.mark.usefixtures("no_tick")
def test_what_a_dead_consumer_ran_wakes_another(kit: BrokerKit, in_a_thread: Any) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "one")
    first = kit.consumer(broker, "q")
    (taken,) = kit.take(first, 1)
    second = kit.consumer(broker, "q")
    result = in_a_thread(lambda: second.receive(1, 30))
    broker.release(first.id, running=[int(taken.receipt)])
    (again,) = result()
    assert again.attempt == 2


@pytest.mark.usefixtures("no_tick")
def test_a_requeued_urgent_message_wakes_another(kit: BrokerKit, in_a_thread: Any) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "one", priority=3)
    first, second = kit.consumer(broker, "q"), kit.consumer(broker, "q")
    taken = kit.take(first, 1)
    result = in_a_thread(lambda: second.receive(1, 30))
    settle(first, taken, Action.REQUEUE)
    assert ids(result()) == ["one"]


def test_a_wait_that_is_over_lends_nothing_afterwards(kit: BrokerKit, raw: redis.Redis) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    assert list(consumer.receive(1, 0.05)) == []
    kit.send(broker, "q", "one")
    time.sleep(0.3)
    assert broker.stats("q").in_flight == 0
    assert ids(kit.take(kit.consumer(broker, "q"), 1)) == ["one"]


def test_an_interrupted_wait_lends_nothing_afterwards(kit: BrokerKit, in_a_thread: Any) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    result = in_a_thread(lambda: consumer.receive(1, 30))
    consumer.interrupt()
    assert list(result()) == []
    kit.send(broker, "q", "one")
    time.sleep(0.3)
    assert broker.stats("q").in_flight == 0
    assert ids(kit.take(consumer, 1)) == ["one"]


def test_interrupts_and_messages_at_once_lose_nothing(kit: BrokerKit) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    done = threading.Event()

    def ring() -> None:
        while not done.is_set():
            consumer.interrupt()
            time.sleep(0.001)

    def send() -> None:
        for number in range(200):
            kit.send(broker, "q", f"{number:03}")

    threads = [threading.Thread(target=ring), threading.Thread(target=send)]
    for thread in threads:
        thread.start()
    taken: list[str] = []
    until = time.monotonic() + 20
    while len(taken) < 200 and time.monotonic() < until:
        batch = consumer.receive(3, 1)
        taken += ids(batch)
        settle(consumer, batch)
    done.set()
    for thread in threads:
        thread.join()
    assert taken == [f"{number:03}" for number in range(200)]
    assert broker.stats("q").in_flight == 0


def test_a_signal_handler_may_interrupt(kit: BrokerKit) -> None:
    consumer = kit.consumer(kit.broker(), "q")
    before = signal.signal(signal.SIGALRM, lambda *_: consumer.interrupt())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        began = time.monotonic()
        assert list(consumer.receive(1, 30)) == []
        assert time.monotonic() - began < 10
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_lost_lease_ends_a_wait(kit: BrokerKit, in_a_thread: Any) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")

    def wait() -> str:
        try:
            consumer.receive(1, 30)
        except LeaseLost:
            return "lost"
        return "nothing"

    result = in_a_thread(wait)
    broker.release(consumer.id)
    assert result() == "lost"


def test_an_idle_consumer_sends_two_commands_a_second(
    kit: BrokerKit, raw: redis.Redis, in_a_thread: Any
) -> None:
    consumer = kit.consumer(kit.broker(), "q")
    result = in_a_thread(lambda: consumer.receive(1, 3.2))
    raw.config_resetstat()
    assert list(result()) == []
    stats = raw.info("commandstats")
    calls = sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("blmove", "evalsha"))
    assert calls <= 9


def test_a_message_comes_in_the_write_that_waits(
    kit: BrokerKit, in_a_thread: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    result = in_a_thread(lambda: consumer.receive(1, 30))
    sent = []
    send = Link.send

    def count(link: Link, data: bytes, until: float) -> None:
        sent.append(data)
        send(link, data, until)

    monkeypatch.setattr(Link, "send", count)
    kit.send(broker, "q", "one")
    assert ids(result()) == ["one"]
    assert len(sent) == 1, "only the publish: the consumer sent nothing more"


def test_without_the_right_to_listen_urgent_messages_come_at_the_next_second(
    redis_server: Any, new_kit: NewKit
) -> None:
    server: RedisServer = redis_server("user deaf on >pw ~* +@all resetchannels -subscribe -publish")
    kit = new_kit(server.url.replace("//", "//deaf:pw@"), client_name="deaf")
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(consumer.receive(1, 10)))
    thread.start()
    client = redis.Redis.from_url(server.url)
    kit.eventually(lambda: client.info("clients")["blocked_clients"], "the consumer waits")
    client.lpush("tq:{q}:p9", b"urgent")
    thread.join()
    assert len(found) == 1
    client.close()


def test_a_fork_while_a_consumer_waits_leaves_it_alone(kit: BrokerKit, in_a_thread: Any) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    result = in_a_thread(lambda: consumer.receive(1, 30))
    child = os.fork()
    if not child:
        # Without after_fork: the pool itself sees that the process is another one.
        accepted = broker.publish([envelope("q", "from-the-child")], timeout=5)
        os._exit(0 if accepted == [None] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert ids(result()) == ["from-the-child"]
    assert beat(broker, consumer, 60)
