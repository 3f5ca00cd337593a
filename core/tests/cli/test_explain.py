"""`tq explain`: where a task is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tq import TQ
from tq.app.inspect import Inspect
from tq.brokers.memory import MemoryBroker
from tq.records import DeadLetter, Message

from .conftest import Start, Tq

SHOP = ("-A", "shop")


def explained(tq: Tq, *words: str) -> dict[str, Any]:
    ended = tq(*words, "--json")
    found: dict[str, Any] = json.loads(ended.out)
    assert ended.status == (0 if found["found"] else 3)
    return found


def test_a_task_that_waits_without_worker_is_explained(tq: Tq) -> None:
    tq(*SHOP, "call", "shop.add", "-a", "[1, 2]", "--task-id", "one")
    ended = tq(*SHOP, "explain", "one", "-t", "0.1")
    assert ended.status == 3
    assert "the result store does not know it" in ended.out
    assert "no worker answered within 0.1 s" in ended.out
    assert "queue 'celery' holds 1 ready, and no worker of tq reads it" in ended.out


def test_a_revoked_task_is_explained(tq: Tq) -> None:
    TQ("shop", broker_url="sqlite:///.tq/tq.db").revoke(["one"])
    found = explained(tq, *SHOP, "explain", "one", "-t", "0")
    assert "it was revoked: workers drop it when they meet it" in found["sentences"]
    assert "workers were not asked" in found["sentences"]


def test_a_dead_task_is_explained_with_the_reason(tq: Tq, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = DeadLetter("7", "celery", "killed its worker", 1.0, Message({"id": "one", "task": "x"}, {}, b""))
    monkeypatch.setattr(MemoryBroker, "dead_letters", lambda self, queue, limit=100: [letter])
    found = explained(tq, "-b", "memory://", "explain", "one", "-t", "0")
    assert "it lies in the dead letters of queue 'celery': killed its worker" in found["sentences"]


def test_stores_that_are_not_there_are_named(tq: Tq) -> None:
    url = "redis://me:hunter2@127.0.0.1:1/0"
    found = explained(tq, "-b", url, "--result-backend", url, "explain", "one")
    assert not found["found"] and found["state"] is None
    said = [sentence.partition(" could not be asked: ")[0] for sentence in found["sentences"]]
    assert said == ["the result store", "the revocations", "the dead letters", "the workers", "the queues"]
    assert "hunter2" not in json.dumps(found)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("active", "it runs on worker w1@here"),
        ("reserved", "worker w1@here holds it, and has not begun it"),
    ],
)
def test_a_task_in_a_worker_is_explained(
    tq: Tq, monkeypatch: pytest.MonkeyPatch, kind: str, sentence: str
) -> None:
    monkeypatch.setattr(Inspect, "query_task", lambda self, *ids: {"w1@here": {"one": [kind, {}]}, "w2": {}})
    found = explained(tq, *SHOP, "explain", "one")
    assert found["found"] and sentence in found["sentences"]


def test_a_task_that_is_done_is_explained_on_redis(tq: Tq, start: Start, redis_url: str) -> None:
    stores = ("-A", "shop", "-b", redis_url, "--result-backend", redis_url)
    worker = start(*stores, "worker", "-l", "INFO", "-P", "threads", "-n", "w1@here")
    worker.wait_for("is ready")
    tq(*stores, "call", "shop.add", "-a", "[1, 2]", "--task-id", "one")
    worker.wait_for("succeeded in")
    found = explained(tq, *stores, "explain", "one", "-t", "0")
    assert found["state"] == "SUCCESS"
    assert found["sentences"][0].startswith("its state is SUCCESS")
