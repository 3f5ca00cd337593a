"""Connections that are refused, cut, slow, or that hang, between the programs and a server that is well."""

from __future__ import annotations

import time

from tests.faults.app import app
from tests.faults.row import RECOVERY, Row
from tests.faults.scenarios.scenario import Scenario, Size
from tests.faults.stage import Stage
from tests.faults.stores import SERVERS
from tq.contracts.broker import Cap

BODY = 0.02
FIRST = 30
"""Ends before anything goes wrong."""
A_TURN = 0.5
"""Seconds in which a child that works comes to its next turn."""


def refused(stage: Stage, size: Size, title: str) -> Row:
    """Nobody can connect for some seconds, while a producer goes on."""
    stage.outlives_lease = True
    stage.worker()
    stage.produce(BODY)
    stage.ended(FIRST)
    with stage.outage():
        stage.proxy.refuse()
        time.sleep(size.outage)
        stage.proxy.accept()
    return _go_on(stage, title, time.time())


def hanging(stage: Stage, size: Size, title: str) -> Row:
    """All connections stand still for some seconds, then go on."""
    stage.outlives_lease = True
    stage.worker()
    stage.produce(BODY)
    stage.ended(FIRST)
    with stage.outage():
        stage.proxy.hang()
        time.sleep(size.outage)
        stage.proxy.heal()
    return _go_on(stage, title, time.time())


def half_open(stage: Stage, size: Size, title: str) -> Row:
    """All connections are forgotten on the way, and nobody is told; new ones work."""
    stage.worker()
    stage.produce(BODY)
    stage.ended(FIRST)
    since = time.time()
    with stage.outage():
        stage.proxy.strand()
        recovery = stage.recovered(since + 0.2)
    return _go_on(stage, title, time.time(), recovery + 0.2)


def cut(stage: Stage, size: Size, title: str) -> Row:
    """All connections are cut again and again, every second time in the middle of a message."""
    # Where a consumer's line is its lease, what it held when that was cut goes to others at once, and some of it runs here
    # as well until it notices: at its next turn.
    line_is_lease = stage.outlives_lease = Cap.LEASE not in app.broker.capabilities
    stage.worker()
    stage.produce(BODY)
    for number in range(1, 2 * size.kills + 1):
        stage.ended(number * FIRST)
        with stage.outage():
            if number % 2:
                stage.proxy.cut()
            else:
                stage.proxy.cut_after(500)
                stage.until(lambda: stage.proxy.allowance == 0, "the cut")
                stage.proxy.cut_after(None)
            if line_is_lease:
                time.sleep(A_TURN)
    return _go_on(stage, title, time.time())


def slow(stage: Stage, size: Size, title: str) -> Row:
    """Each message takes 100 ms in each direction."""
    stage.stats()  # makes the tables
    stage.proxy.latency = 0.1
    # A transaction is a conversation of many sentences: over such a line, a lease of 2 s is asking for trouble.
    stage.worker(broker_lease=10)
    stage.produce(BODY)
    stage.ended(20)
    stage.notes.append("lease 10 s")
    return _go_on(stage, title, None)


def _go_on(stage: Stage, title: str, since: float | None, recovery: float | None = None) -> Row:
    """Let the producer go on for a while after the fault, and count."""
    if since is not None and recovery is None:
        recovery = stage.recovered(since)
    producer = stage.producer
    assert producer is not None
    goal = len(producer.accepted) + FIRST
    stage.until(lambda: len(producer.accepted) >= goal, "the producer goes on")
    producer.stop()
    stage.proxy.latency = 0.0
    return stage.row(title, producer.accepted, recovery=recovery, recovery_limit=RECOVERY)


SCENARIOS = (
    Scenario("connection refused for a while", refused, SERVERS, proxied=True, short=("redis",)),
    Scenario("connections hang for a while", hanging, SERVERS, proxied=True),
    Scenario(
        "half-open connections",
        half_open,
        SERVERS,
        proxied=True,
        short=("redis", "postgresql", "mariadb", "rabbitmq"),
    ),
    Scenario(
        "connections cut", cut, SERVERS, proxied=True, short=("redis", "postgresql", "rabbitmq", "mongodb")
    ),
    Scenario("100 ms of delay each way", slow, SERVERS, proxied=True, short=("redis",)),
)
