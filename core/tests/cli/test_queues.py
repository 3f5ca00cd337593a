"""`tq queues`."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.services.redis import RedisServer
from tq.brokers.memory import MemoryBroker
from tq.contracts.broker import Cap

from .conftest import Start, Tq

SHOP = ("-A", "shop")


def test_queues_are_shown_with_what_lies_in_them(tq: Tq) -> None:
    tq(*SHOP, "call", "shop.add", "-a", "[1, 2]")
    tq(*SHOP, "call", "shop.add", "-a", "[1, 2]", "--countdown", "60")
    ended = tq(*SHOP, "queues", "-Q", "celery,mails")
    assert ended.status == 0, ended.err
    title, celery, mails = (line.split() for line in ended.out.splitlines())
    assert title == ["QUEUE", "READY", "DELAYED", "IN_FLIGHT", "DEAD", "OLDEST_AGE", "CONSUMERS"]
    assert celery[:5] == ["celery", "1", "1", "0", "0"]
    assert mails == ["mails", "0", "0", "0", "0", "-", "0"]


def test_queues_as_json_are_those_of_the_app(tq: Tq) -> None:
    found = json.loads(tq(*SHOP, "queues", "--json").out)
    assert [(queue["name"], queue["ready"], queue["oldest_age"]) for queue in found] == [("celery", 0, None)]


def test_a_broker_that_cannot_say_is_named(tq: Tq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryBroker, "capabilities", MemoryBroker.capabilities & ~Cap.STATS)
    ended = tq("-b", "memory://", "queues")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("Error: MemoryBroker cannot say what lies in its queues")


def test_queues_on_redis_are_shown_with_their_age(tq: Tq, redis_url: str) -> None:
    tq("-b", redis_url, "call", "shop.add", "--queue", "mails")
    (queue,) = json.loads(tq("-b", redis_url, "queues", "-Q", "mails", "--json").out)
    assert (queue["name"], queue["ready"]) == ("mails", 1)
    assert 0 <= queue["oldest_age"] < 60


def test_queues_are_watched_over_a_restart_of_their_broker(
    start: Start, redis_server: Callable[..., RedisServer]
) -> None:
    server = redis_server()
    program = start("-b", server.url, "queues", "--json", "--watch", "0.1")
    program.wait_for('"name":"celery"', times=2)
    server.stop()
    program.wait_for("reconnecting: ")
    server.start()
    seen = program.output.count('"name":"celery"')
    program.wait_for('"name":"celery"', times=seen + 2)
    program.interrupt()
    assert program.wait() == 0
