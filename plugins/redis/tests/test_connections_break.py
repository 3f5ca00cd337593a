"""Connections that break, hang or lose answers: nothing is lost, nothing is done twice."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.services.redis import RedisServer
from tq.errors import BackendUnavailable, BrokerUnavailable
from tq.records import Settlement, TaskMeta
from tq.testing.broker_kit import BrokerKit, beat, envelope, ids, names
from tq.testing.waiting import eventually
from tq.wire.json import JsonSerializer
from tq_redis import RedisBackend

if TYPE_CHECKING:
    from plugins.redis.tests.conftest import Proxy
    from tests.services.kits import NewKit


def test_a_turn_whose_answer_is_lost_is_done_once(new_kit: NewKit, proxy: Proxy, raw: redis.Redis) -> None:
    kit = new_kit(proxy.url)
    broker = kit.broker()
    sent = names(10)
    kit.send(broker, "q", *sent)
    consumer = kit.consumer(broker, "q")
    first = kit.take(consumer, 4)
    batch = [Settlement(d, publish=(envelope("next", f"next-{at}"),)) for at, d in enumerate(first)]
    proxy.lose_the_next_answer()
    with pytest.raises(BrokerUnavailable, match="no connection to Redis"):
        consumer.turn(batch, 3, 0)
    assert (raw.llen("q"), raw.llen("next")) == (3, 4)
    settled, lent = consumer.turn(batch, 3, 0)
    assert list(settled) == [True] * 4
    assert ids(lent) == sent[4:7]
    assert (raw.llen("q"), raw.llen("next")) == (3, 4)
    assert ids(kit.take(consumer, 3)) == sent[7:]


def test_messages_whose_answer_is_lost_come_with_the_next_receive(new_kit: NewKit, proxy: Proxy) -> None:
    kit = new_kit(proxy.url)
    broker = kit.broker()
    sent = names(10)
    kit.send(broker, "q", *sent)
    consumer = kit.consumer(broker, "q")
    consumer.receive(1, 0)
    for _ in range(2):
        proxy.lose_the_next_answer()
        with pytest.raises(BrokerUnavailable):
            consumer.receive(4, 0)
    taken = ids(consumer.receive(2, 0)) + ids(consumer.receive(100, 0))
    assert taken + ids(consumer.receive(100, 0)) == sent[1:]


def test_a_settlement_whose_answer_is_lost_is_true_when_it_is_repeated(new_kit: NewKit, proxy: Proxy) -> None:
    kit = new_kit(proxy.url)
    broker = kit.broker()
    kit.send(broker, "q", "one")
    consumer = kit.consumer(broker, "q")
    batch = [Settlement(d, publish=(envelope("q", "two"),)) for d in kit.take(consumer, 1)]
    proxy.lose_the_next_answer()
    with pytest.raises(BrokerUnavailable):
        consumer.settle(batch)
    assert list(consumer.settle(batch)) == [True]
    assert ids(kit.take(consumer, 1)) == ["two"]
    assert kit.rest(consumer) == []


def test_a_waiting_consumer_whose_connections_are_cut_loses_nothing(new_kit: NewKit, proxy: Proxy) -> None:
    kit = new_kit(proxy.url)
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    timer = threading.Timer(0.2, proxy.cut)
    timer.start()
    with pytest.raises(BrokerUnavailable):
        consumer.receive(5, kit.patience)
    timer.join()
    kit.send(broker, "q", "after")
    assert ids(kit.take(consumer, 1)) == ["after"]


def test_a_killed_client_in_mid_wait_gets_its_messages_later(kit: BrokerKit, raw: redis.Redis) -> None:
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    errors: list[Exception] = []

    def wait() -> None:
        try:
            consumer.receive(5, kit.patience)
        except BrokerUnavailable as exc:
            errors.append(exc)

    thread = threading.Thread(target=wait)
    thread.start()
    kit.eventually(lambda: raw.info("clients")["blocked_clients"], "the consumer waits")
    raw.client_kill_filter(_type="normal", skipme=True)
    thread.join()
    assert len(errors) == 1
    kit.send(broker, "q", "later")
    assert ids(kit.take(consumer, 1)) == ["later"]


def test_a_silent_connection_is_noticed_within_the_lease(new_kit: NewKit, proxy: Proxy) -> None:
    kit = new_kit(proxy.url, socket_timeout=0.3)
    broker = kit.broker()
    consumer = kit.consumer(broker, "q")
    consumer.receive(1, 0)
    proxy.silent.set()
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="no answer in time"):
        consumer.receive(1, 0)
    with pytest.raises(BrokerUnavailable):
        beat(broker, consumer, 1.0)
    assert time.monotonic() - began < 3
    proxy.silent.clear()
    proxy.cut()
    kit.send(broker, "q", "one")
    assert ids(kit.take(consumer, 1)) == ["one"]


def test_publish_to_a_silent_server_ends_at_its_deadline(new_kit: NewKit, redis_server: Any) -> None:
    server: RedisServer = redis_server()
    broker = new_kit(server.url).broker()
    broker.publish([envelope("q", "one")], timeout=5)
    server.freeze()
    try:
        for timeout in (0.2, 0.4):
            began = time.monotonic()
            with pytest.raises(BrokerUnavailable, match="no answer in time|Timeout"):
                broker.publish([envelope("q", "two")], timeout=timeout)
            assert time.monotonic() - began < timeout + 1
    finally:
        server.thaw()


def test_publish_goes_on_after_idle_connections_were_closed(kit: BrokerKit, raw: redis.Redis) -> None:
    broker = kit.broker()
    kit.send(broker, "q", "one")
    raw.client_kill_filter(_type="normal", skipme=True)
    kit.send(broker, "q", "two")
    kit.send(broker, "q", "delayed", delay=60)
    raw.client_kill_filter(_type="normal", skipme=True)
    assert broker.stats("q").ready == 2


def test_a_consumer_goes_on_after_a_restart_with_its_scripts_gone(redis_server: Any, new_kit: NewKit) -> None:
    server: RedisServer = redis_server(appendonly=True)
    kit = new_kit(server.url)
    broker = kit.broker()
    sent = names(6)
    kit.send(broker, "q", *sent)
    consumer = kit.consumer(broker, "q")
    batch = [Settlement(delivery) for delivery in kit.take(consumer, 2)]
    server.kill()
    with pytest.raises(BrokerUnavailable):
        consumer.settle(batch)
    server.start()
    assert list(consumer.settle(batch)) == [True, True]
    assert ids(kit.take(consumer, 4)) == sent[2:]
    redis.Redis.from_url(server.url).script_flush()
    kit.send(broker, "q", "again", delay=0.01)
    assert beat(broker, consumer, 60)
    assert ids(kit.take(consumer, 1)) == ["again"]


def test_time_without_a_server_kills_no_consumer(redis_server: Any, new_kit: NewKit) -> None:
    server: RedisServer = redis_server(appendonly=True)
    kit = new_kit(server.url)
    broker = kit.broker()
    kit.send(broker, "q", "mine")
    consumer = kit.consumer(broker, "q", lease=2.0)
    taken = kit.take(consumer, 1)
    server.stop()
    time.sleep(2.1)
    server.start()
    other = kit.broker()
    assert list(kit.survive(lambda: other.maintain(["q"]))) == []
    assert list(kit.survive(lambda: consumer.settle([Settlement(taken[0])]))) == [True]


def test_a_wait_for_a_result_survives_a_cut(proxy: Proxy, raw: redis.Redis) -> None:
    waiting, storing = (RedisBackend(url, serializer=JsonSerializer()) for url in (proxy.url, proxy.url))
    found: dict[str, TaskMeta] = {}
    thread = threading.Thread(target=lambda: found.update(waiting.wait(["a"], 5)))
    thread.start()
    eventually(lambda: raw.pubsub_channels("celery-task-meta-a"), "somebody who waits")
    proxy.cut()
    time.sleep(0.1)
    storing.store([TaskMeta("a", "SUCCESS", 1)])
    thread.join()
    assert found["a"].result == 1
    waiting.close()
    storing.close()


def test_a_wait_for_a_result_tells_that_the_server_is_gone(redis_server: Any) -> None:
    server: RedisServer = redis_server()
    backend = RedisBackend(server.url, serializer=JsonSerializer())
    threading.Timer(0.2, server.stop).start()
    with pytest.raises(BackendUnavailable, match="cannot wait for results"):
        backend.wait(["a"], 10)
    backend.close()
