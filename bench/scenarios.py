"""What is measured. Each scenario takes a peer and a Redis, and returns one figure."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from bench.peer import Peer

Run = Callable[[Peer, str, int], float]


@dataclass(frozen=True)
class Scenario:
    """`larger` says that more is better; the ratio is always how much better tq is."""

    name: str
    unit: str
    larger: bool
    count: int
    run: Run


def drain(peer: Peer, url: str, count: int, *, results: bool) -> float:
    """Tasks a second in which a worker with one process empties a queue that was filled before.

    The clock runs from the first message taken to the last one settled, so starting up does not count.
    """
    client = redis.Redis.from_url(url)
    client.flushall()
    fill(client, count)
    with peer.running(url, results=results):
        wait(lambda: client.llen("celery") < count)
        began = time.perf_counter()
        left = client.llen("celery")
        wait(lambda: client.llen("celery") == 0 and in_flight(client) == 0)
        seconds = time.perf_counter() - began
    if results:
        kept = sum(1 for _ in client.scan_iter("celery-task-meta-*", count=5000))
        if kept != count:
            raise SystemExit(f"{peer.name}: {kept} results of {count} tasks")
    return left / seconds


def fill(client: redis.Redis, count: int) -> None:
    """Put messages into the queue, as Celery's own clients write them."""
    for start in range(0, count, 1000):
        client.lpush("celery", *(message(number) for number in range(start, min(start + 1000, count))))


def message(number: int) -> str:
    """One task message of protocol 2 in the envelope of kombu 5.7."""
    task_id = f"00000000-0000-4000-8000-{number:012d}"
    return (
        '{"body": "W1tdLCB7fSwgeyJjYWxsYmFja3MiOiBudWxsLCAiZXJyYmFja3MiOiBudWxsLCAiY2hhaW4iOiBudWxsLCAiY2hvcmQiOiB'
        'udWxsfV0=", "content-encoding": "utf-8", "content-type": "application/json", "headers": {"lang": "py", '
        '"task": "bench.noop", "id": "%s", "shadow": null, "eta": null, "expires": null, "group": null, '
        '"group_index": null, "retries": 0, "timelimit": [null, null], "root_id": "%s", "parent_id": null, '
        '"argsrepr": "()", "kwargsrepr": "{}", "origin": "gen1@bench", "ignore_result": false, '
        '"replaced_task_nesting": 0, "stamped_headers": null, "stamps": {}}, "properties": {"correlation_id": "%s", '
        '"reply_to": "00000000-0000-4000-8000-000000000000", "delivery_mode": 2, "delivery_info": {"exchange": "", '
        '"routing_key": "celery"}, "priority": 0, "body_encoding": "base64", "delivery_tag": "%s"}}'
    ) % ((task_id,) * 4)


def in_flight(client: redis.Redis) -> int:
    """Messages taken and not settled: Celery's hash, and tq's of each consumer."""
    lent = sum(client.hlen(key) for key in client.keys("tq:*inflight*"))
    return int(client.hlen("unacked")) + lent


def delay(peer: Peer, url: str, count: int) -> float:
    """Calls of `.delay()` a second, one by one."""
    redis.Redis.from_url(url).flushall()
    return count / peer.measure("delay", count, url, results=False)


def round_trip(peer: Peer, url: str, count: int) -> float:
    """Milliseconds from `.delay()` to its result, median."""
    redis.Redis.from_url(url).flushall()
    with peer.running(url, results=True):
        return peer.measure("round_trip", count, url, results=True) * 1000


def chord(peer: Peer, url: str, count: int) -> float:
    """Members a second of one chord, from the call to the result of its body; sending it is part of it."""
    redis.Redis.from_url(url).flushall()
    with peer.running(url, results=True):
        return count / peer.measure("chord", count, url, results=True)


def idle(peer: Peer, url: str, count: int) -> float:
    """Percent of one core that an idle worker uses, over `count` seconds, all its processes."""
    redis.Redis.from_url(url).flushall()
    with peer.running(url, results=True) as process:
        peer.measure("round_trip", 3, url, results=True)
        time.sleep(2)
        before = processor_time(process.pid)
        time.sleep(count)
        return (processor_time(process.pid) - before) / count * 100


def processor_time(group: int) -> float:
    """Seconds of processor time of a process group so far."""
    text = subprocess.run(
        ["ps", "-e", "-o", "pgid=,cputimes=,pid="], capture_output=True, text=True, check=True
    ).stdout
    pids = [line.split()[2] for line in text.splitlines() if int(line.split()[0]) == group]
    return sum(_ticks(pid) for pid in pids) / 100


def _ticks(pid: str) -> int:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def import_time(peer: Peer, url: str, count: int) -> float:
    """Milliseconds that importing the package takes, best of `count`, less a bare interpreter."""
    module = "tq" if peer.name == "tq" else "celery"
    bare = _best(peer.python, "pass", count)
    return (
        _best(peer.python, f"import {module}; {module}.{'TQ' if module == 'tq' else 'Celery'}", count) - bare
    ) * 1000


def _best(python: str, code: str, count: int) -> float:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        subprocess.run([python, "-c", code], check=True)
        times.append(time.perf_counter() - began)
    return min(times)


def wait(condition: Callable[[], bool], limit: float = 300) -> None:
    """Look each 2 ms until it holds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            sys.exit("gave up: a worker does not get on")
        time.sleep(0.002)


ALL = (
    Scenario("drain, results kept", "tasks/s", True, 20_000, lambda p, u, n: drain(p, u, n, results=True)),
    Scenario("drain, no results", "tasks/s", True, 20_000, lambda p, u, n: drain(p, u, n, results=False)),
    Scenario("delay one by one", "calls/s", True, 3_000, delay),
    Scenario("round trip, idle worker", "ms", False, 200, round_trip),
    Scenario("chord of 1,000", "members/s", True, 1_000, chord),
    Scenario("idle worker", "% of a core", False, 10, idle),
    Scenario("import", "ms", False, 7, import_time),
)
