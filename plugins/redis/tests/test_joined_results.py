"""Results that the broker stores with the settlement, where both use one database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tq.records import Action, Settlement, TaskMeta
from tq.testing.broker_kit import BrokerKit, envelope, ids, names
from tq.wire.json import JsonSerializer
from tq_redis import RedisBackend


@pytest.fixture
def backend(redis_url: str) -> Iterator[RedisBackend]:
    """A backend of the session's server."""
    made = RedisBackend(redis_url, serializer=JsonSerializer(), expires=60)
    yield made
    made.close()


def test_only_the_same_database_joins(kit: BrokerKit, redis_url: str, backend: RedisBackend) -> None:
    assert kit.broker().joins(backend)
    assert kit.broker(redis_url.replace("127.0.0.1", "127.0.0.1").rstrip("0")).joins(backend)
    assert not kit.broker(redis_url[:-1] + "1").joins(backend)
    assert not kit.broker().joins(object())


def test_results_are_there_when_the_message_is_gone(
    kit: BrokerKit, backend: RedisBackend, raw: redis.Redis
) -> None:
    broker = kit.broker()
    assert broker.joins(backend)
    sent = names(300)
    kit.send(broker, "q", *sent)
    consumer = kit.consumer(broker, "q")
    taken = kit.take(consumer, 300)
    batch = [
        Settlement(d, result=TaskMeta(i, "SUCCESS" if at % 3 else "FAILURE", at))
        for at, (d, i) in enumerate(zip(taken, sent, strict=True))
    ]
    assert all(consumer.settle(batch))
    assert [meta.result for meta in backend.get(sent).values()] == list(range(300))
    assert 0 < raw.ttl(f"celery-task-meta-{sent[0]}") <= 60
    assert raw.keys("tq:{q}:inflight*") == []


def test_a_result_wakes_who_waits(kit: BrokerKit, backend: RedisBackend) -> None:
    broker = kit.broker()
    broker.joins(backend)
    assert backend.wait(["a"], 0) == {}
    kit.send(broker, "q", "a")
    consumer = kit.consumer(broker, "q")
    consumer.settle([Settlement(d, result=TaskMeta("a", "SUCCESS", 1)) for d in kit.take(consumer, 1)])
    assert backend.wait(["a"], 5)["a"].result == 1


def test_a_success_stands(kit: BrokerKit, backend: RedisBackend) -> None:
    broker = kit.broker()
    broker.joins(backend)
    backend.store([TaskMeta("a", "SUCCESS", 1), TaskMeta("b", "STARTED")])
    kit.send(broker, "q", "a", "b")
    consumer = kit.consumer(broker, "q")
    first, second = kit.take(consumer, 2)
    retry = TaskMeta("a", "RETRY")
    consumer.settle(
        [
            Settlement(first, result=retry, publish=(envelope("q", "again"),)),
            Settlement(second, Action.DEAD, reason="bad", result=TaskMeta("b", "FAILURE", 2)),
        ]
    )
    assert {i: m.status for i, m in backend.get(["a", "b"]).items()} == {"a": "SUCCESS", "b": "FAILURE"}
    assert ids(kit.take(consumer, 1)) == ["again"]


def test_a_consumer_that_is_dead_stores_nothing(kit: BrokerKit, backend: RedisBackend) -> None:
    broker = kit.broker()
    broker.joins(backend)
    kit.send(broker, "q", "a", "b")
    consumer = kit.consumer(broker, "q")
    taken = kit.take(consumer, 2)
    broker.release(consumer.id)
    batch = [Settlement(d, result=TaskMeta("a", "SUCCESS", 1)) for d in taken]
    assert list(consumer.settle(batch)) == [False, False]
    assert backend.get(["a"]) == {}
