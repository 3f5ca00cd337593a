"""Servers that stop, die, fill up, or are not there when a result has to be stored."""

from __future__ import annotations

import time

from tests.faults.row import Row
from tests.faults.scenarios.scenario import Scenario, Size
from tests.faults.stage import Stage
from tests.faults.stores import KINDS, SERVERS
from tests.services.redis import RedisServer

BODY = 0.02
FIRST = 30


def broker_restarts(stage: Stage, size: Size, title: str) -> Row:
    """The server stops and starts again, while a producer goes on."""
    return _away(stage, title, "stop")


def broker_dies(stage: Stage, size: Size, title: str) -> Row:
    """The server is killed and starts again, while a producer goes on."""
    return _away(stage, title, "kill")


def _away(stage: Stage, title: str, how: str) -> Row:
    server = stage.store.server
    assert server is not None
    stage.worker()
    producer = stage.produce(BODY)
    stage.ended(FIRST)
    with stage.outage():
        getattr(server, how)()
        time.sleep(0.5)
        server.start()
    since = time.time()
    recovery = stage.recovered(since)
    goal = len(producer.accepted) + FIRST
    stage.until(lambda: len(producer.accepted) >= goal, "the producer goes on")
    producer.stop()
    return stage.row(title, producer.accepted, recovery=recovery)


def results_away(stage: Stage, size: Size, title: str) -> Row:
    """The result store is away while tasks end: outcomes are kept, and stored when it is back."""
    results = stage.servers.get("results")
    assert isinstance(results, RedisServer)
    results.flush()
    stage.backend = results.url
    stage.connect()
    worker = stage.worker()
    sent = stage.send(4, 1.0) + stage.send(20, BODY)
    stage.until(lambda: len(stage.running()) == 2, "two tasks under way")
    results.stop()
    worker.wait_for("trying again")
    time.sleep(1.0)
    results.start()
    row = stage.row(title, sent)
    stage.require(row.executed == len(sent), f"{row.executed} executions of {len(sent)} tasks")
    return row


def out_of_memory(stage: Stage, size: Size, title: str) -> Row:
    """Redis refuses writes for want of memory, for a while."""
    server = stage.store.server
    assert isinstance(server, RedisServer)
    stage.worker()
    producer = stage.produce(BODY)
    stage.ended(FIRST)
    with stage.outage():
        server.ask("CONFIG", "SET", "maxmemory", "1")
        time.sleep(1.5)
        server.ask("CONFIG", "SET", "maxmemory", "0")
    since = time.time()
    stage.require(producer.refused, "the producer heard of nothing")
    recovery = stage.recovered(since)
    goal = len(producer.accepted) + FIRST
    stage.until(lambda: len(producer.accepted) >= goal, "the producer goes on")
    producer.stop()
    return stage.row(title, producer.accepted, recovery=recovery)


SCENARIOS = (
    Scenario("broker restarts with a producer running", broker_restarts, SERVERS, short=SERVERS),
    Scenario("broker killed with a producer running", broker_dies, SERVERS, short=("redis",)),
    Scenario("result store away while tasks end", results_away, KINDS, short=("redis", "sqlite")),
    Scenario("Redis out of memory for a while", out_of_memory, ("redis",)),
)
