"""Servers that stop, die, fill up, or are not there when a result has to be stored."""

from __future__ import annotations

import time
from dataclasses import replace

from tests.faults.row import Row
from tests.faults.scenarios.scenario import Scenario, Size
from tests.faults.stage import Stage
from tests.faults.stores import DURABLE, KINDS
from tests.services.redis import RedisServer
from tests.services.sentinel import replicated
from tq.errors import BrokerError

BODY = 0.02
FIRST = 30
LONG_BODY = 2.5
SENTINEL = 10.0
"""Seconds after a failover in which a worker has found the new master."""


def broker_restarts(stage: Stage, size: Size, title: str) -> Row:
    """The server stops and starts again, while a producer goes on."""
    return _away(stage, title, "stop")


def broker_dies(stage: Stage, size: Size, title: str) -> Row:
    """The server is killed and starts again, while a producer goes on."""
    return _away(stage, title, "kill")


def _away(stage: Stage, title: str, how: str) -> Row:
    server = stage.store.server
    assert server is not None
    stage.outlives_lease = True  # Some servers take that long to start.
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
    return stage.each_once(stage.row(title, sent))


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


def failover(stage: Stage, size: Size, title: str) -> Row:
    """The master dies, and Sentinels make its replica the master."""
    with replicated() as redis:
        stage.url = stage.backend = redis.url
        stage.store = replace(stage.store, url=redis.url, server=None)
        stage.connect()
        worker = stage.worker()
        sent = stage.flood(2, LONG_BODY) + stage.flood(size.tasks, BODY)
        stage.ended(FIRST)
        # What the replica has not got yet is gone with the master: that is between Redis and its administrator.
        redis.synchronize()
        with stage.outage():
            redis.master.kill()
            redis.await_failover()
        since = time.time()
        recovery = stage.recovered(since)
        sent += stage.until(lambda: _sent(stage), "a producer that finds the new master")
        row = stage.row(title, sent, recovery=recovery, recovery_limit=SENTINEL)
        stage.require(worker.running, "the worker ended")
        worker.stop()
        stage.disconnect()
        return row


def _sent(stage: Stage) -> list[str]:
    try:
        return stage.send(10, BODY)
    except BrokerError:
        return []


SCENARIOS = (
    Scenario(
        "broker restarts with a producer running",
        broker_restarts,
        DURABLE,
        short=("redis", "postgresql", "mariadb", "rabbitmq"),
    ),
    Scenario(
        "broker killed with a producer running", broker_dies, DURABLE, short=("redis", "rabbitmq", "mongodb")
    ),
    Scenario("result store away while tasks end", results_away, KINDS, short=("redis", "sqlite", "sqs")),
    Scenario("Redis Sentinel fails over", failover, ("redis",), because="about Redis"),
    Scenario("Redis out of memory for a while", out_of_memory, ("redis",), because="about Redis"),
)
