"""What lies in Redis after tq has written it, next to what Celery writes: the same keys, fields and forms."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.interop.celery_client import CeleryClient
from tests.interop.conftest import StartCelery
from tests.processes import Workers
from tq import TQ

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "limits": {"time_limit": 30, "soft_time_limit": 20, "headers": {"my": "header"}, "shadow": "other"},
    "expires": {"expires": 7200},
    "ignored": {"ignore_result": True},
    "compressed": {"compression": "gzip"},
}
DIFFERENT = {
    *("id", "root_id", "origin", "correlation_id", "reply_to", "delivery_tag"),
    *("expires", "expiration", "date_done"),
}
"""Fields that name the one message or its moment; they are compared by type."""
OURS = "tq_ready_at"
"""A property that says since when a message waits; Celery passes over what it does not know."""


@pytest.fixture
def redis(url: str) -> Iterator[Redis]:
    with Redis.from_url(url) as connection:
        connection.flushall()
        yield connection


@pytest.fixture
def stranger(url: str) -> Iterator[TQ]:
    """A tq client that has no code of any task."""
    with TQ("stranger", broker=url, backend=url, set_as_current=False) as app:
        yield app


def without_values(document: Any) -> Any:
    """The document with the types of values that differ between any two messages."""
    if isinstance(document, dict):
        return {
            key: type(value).__name__ if key in DIFFERENT else without_values(value)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [without_values(item) for item in document]
    return document


def waiting(redis: Redis, queue: str = "celery") -> dict[str, Any]:
    raw = redis.rpop(queue)
    assert isinstance(raw, bytes)
    document: dict[str, Any] = json.loads(raw)
    body = base64.b64decode(document["body"])
    if document["headers"].get("compression"):
        body = zlib.decompress(body)
    document["body"] = json.loads(body)
    assert isinstance(document["properties"].pop(OURS, 0.0), float)
    return document


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_published_message_has_the_same_fields_and_values(
    redis: Redis, celery: CeleryClient, stranger: TQ, options: dict[str, Any]
) -> None:
    celery.send("shop.add", [1], {"y": 2}, **options)
    theirs = waiting(redis)
    stranger.send_task("shop.add", [1], {"y": 2}, **options)
    ours = waiting(redis)
    assert without_values(ours) == without_values(theirs)


def test_a_message_of_a_known_task_has_the_same_fields_and_values(
    redis: Redis, celery: CeleryClient, tq: TQ
) -> None:
    celery.delay("shop.add", 1, 2)
    theirs = waiting(redis)
    tq.tasks["shop.add"].delay(1, 2)
    assert without_values(waiting(redis)) == without_values(theirs)


def test_links_have_the_same_form(redis: Redis, celery: CeleryClient, tq: TQ) -> None:
    celery.send("shop.add", [1, 2], link=("shop.note", ["x"]), link_error=("shop.note_error", []))
    theirs = waiting(redis)["body"]
    tq.send_task(
        "shop.add",
        [1, 2],
        link=tq.signature("shop.note", ["x"]),
        link_error=tq.signature("shop.note_error"),
    )
    ours = waiting(redis)["body"]
    assert without_values(ours) == without_values(theirs)


def all_waiting(redis: Redis) -> dict[str, dict[str, Any]]:
    queues = [queue.decode() for queue in redis.scan_iter("celery*") if isinstance(queue, bytes)]
    return {queue: waiting(redis, queue) for queue in queues}


@pytest.mark.parametrize("priority", [0, 1, 3, 5, 9])
def test_with_celery_workers_a_priority_goes_to_the_same_list(
    redis: Redis, celery: CeleryClient, url: str, priority: int
) -> None:
    celery.send("shop.add", [1, 2], priority=priority)
    theirs = all_waiting(redis)
    with TQ(
        "fleet",
        broker=url,
        backend=url,
        broker_transport_options={"celery_workers": True},
        set_as_current=False,
    ) as app:
        app.send_task("shop.add", [1, 2], priority=priority)
    ours = all_waiting(redis)
    assert without_values(ours) == without_values(theirs)


CALLS: dict[str, tuple[str, list[Any]]] = {
    "success": ("shop.echo", [{"a": [1, None]}]),
    "failure": ("shop.fail", ["ValueError", "x", 1]),
    "own error": ("shop.fail", ["Broken", "x"]),
    "unknown": ("shop.nowhere", []),
}


def results(redis: Redis, tq: TQ) -> dict[str, dict[str, Any]]:
    sent = {name: tq.send_task(task, args) for name, (task, args) in CALLS.items()}
    sent["expired"] = tq.send_task("shop.add", [1, 2], expires="2020-01-01T00:00:00+00:00")
    documents = {}
    for name, result in sent.items():
        result.get(timeout=60, propagate=False)
        key = f"celery-task-meta-{result.id}"
        raw = redis.get(key)
        assert isinstance(raw, bytes)
        document = json.loads(raw)
        assert document.pop("task_id") == result.id
        assert 86000 < int(str(redis.ttl(key))) <= 86400
        document["traceback"] = type(document["traceback"]).__name__
        documents[name] = without_values(document)
    return documents


def test_result_documents_are_the_same(
    redis: Redis, tq: TQ, workers: Workers, start_celery: StartCelery, tmp_path: Path
) -> None:
    celery_worker = start_celery("solo")
    theirs = results(redis, tq)
    celery_worker.stop()
    tq_worker = workers.start()
    ours = results(redis, tq)
    tq_worker.stop()
    assert ours == theirs
