"""What a task costs each store: `python -m bench.costs [STORE ...]`; `--record` keeps it for `bench.scaling`.

A proxy between tq and the server counts round trips and bytes; the server's processor time is read from /proc. Round
trips and bytes belong to tq and hold on every machine; the microseconds belong to this one.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench import hotpath, processes
from tests.faults.proxy import Proxy
from tests.services.postgres import PostgresServer
from tests.services.rabbitmq import RabbitmqServer
from tests.services.redis import RedisServer
from tests.services.server import Server
from tq import TQ
from tq.app.work import WorkerOptions, make_worker
from tq.contracts.pool import StopMode
from tq.worker.worker import Worker

RECORDED = ROOT / "bench" / "results" / "costs.json"
_FEW, _MANY = 500, 5000
_IDLE_SECONDS = 12.0
_CROWD = 40
# A worker has several connections, and 100 are PostgreSQL's default.
STORES: dict[str, Callable[[], Server]] = {
    "redis": RedisServer,
    "rabbitmq": RabbitmqServer,
    "postgresql": lambda: PostgresServer("fsync = on", "max_connections = 400"),
}


class Cost(msgspec.Struct, frozen=True):
    """What one task costs, or one idle worker in a second."""

    round_trips: float
    sent: float
    """Bytes to the server."""
    received: float
    server_us: float
    """Microseconds of the server's processor time."""

    def shared(self, parts: float) -> Cost:
        """One part of it."""
        return Cost(*(value / parts for value in msgspec.structs.astuple(self)))


Costs = dict[str, Cost]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stores", nargs="*", metavar="STORE", help=", ".join(STORES))
    parser.add_argument("--record", action="store_true", help=f"write {RECORDED.name}")
    options = parser.parse_args()
    for name in options.stores or STORES:
        found = costs(name)
        for what, cost in found.items():
            print(
                f"{name:12} {what:22} {cost.round_trips:8.3f} round trips {cost.sent:8,.0f} B sent "
                f"{cost.received:8,.0f} B received {cost.server_us:8.1f} µs of the server",
                flush=True,
            )
        if options.record:
            everything = msgspec.to_builtins(recorded() | {name: found})
            RECORDED.write_text(json.dumps(everything, indent=1) + "\n")


def recorded() -> dict[str, Costs]:
    """What was kept, by store."""
    return msgspec.json.decode(RECORDED.read_bytes(), type=dict[str, Costs]) if RECORDED.exists() else {}


def costs(name: str) -> Costs:
    """All costs of one store."""
    with ExitStack() as stack:
        server = stack.enter_context(STORES[name]())
        proxy = Proxy(server.port)
        stack.callback(proxy.close)
        meter = Meter(server, proxy)
        url = server.url.replace(f":{server.port}", f":{proxy.port}")
        plain = hotpath.app_on(url, results=False)
        hotpath.delays(plain, 10)
        found = {"call": meter.of(_FEW, lambda: hotpath.delays(plain, _FEW))}
        hotpath.bulk(plain, 10)
        found["call in bulk"] = meter.of(_MANY, lambda: hotpath.bulk(plain, _MANY))
        found["task"] = drained(meter, plain)
        hotpath.bulk(plain, _FEW)
        alone = hotpath.engine_for(hotpath.setup_of(plain, prefetch_multiplier=1), _FEW)
        found["task by itself"] = meter.of(_FEW, alone)
        if name != "rabbitmq":
            asked = hotpath.app_on(url, results=True)
            hotpath.bulk(asked, _MANY)
            found["task with result"] = drained(meter, asked)
        with idle(url, 1):
            found["idle worker, a second"] = meter.over(_IDLE_SECONDS, 1)
        with idle(server.url, _CROWD):
            found[f"one of {_CROWD} idle workers"] = meter.over(_IDLE_SECONDS, _CROWD)
        return found


def drained(meter: Meter, app: TQ) -> Cost:
    """One of many stored tasks, with batches as large as the worker makes them."""
    setup = hotpath.setup_of(app)
    hotpath.engine_for(setup, 300)()
    return meter.of(_MANY - 300, hotpath.engine_for(setup, _MANY - 300))


class Meter:
    """Reads the proxy's and the server's counters."""

    def __init__(self, server: Server, proxy: Proxy) -> None:
        self._pid, self._proxy = server.pid, proxy

    def of(self, count: int, work: hotpath.Work) -> Cost:
        """What each of `count` things costs that are done by `work`."""
        before = self._read()
        work()
        return Cost(*((after - at) / count for after, at in zip(self._read(), before, strict=True)))

    def over(self, seconds: float, workers: int) -> Cost:
        """What each worker costs in a second, when nothing happens."""
        time.sleep(3)
        return self.of(1, lambda: time.sleep(seconds)).shared(seconds * workers)

    def _read(self) -> tuple[float, float, float, float]:
        used = processes.processor_seconds(processes.tree(self._pid))
        sent, received = self._proxy.passed
        return self._proxy.round_trips, sent, received, used * 1e6


@contextmanager
def idle(url: str, count: int) -> Iterator[None]:
    """So many workers with nothing to do, each with its own connections, on threads of this process."""
    apps = [TQ(f"idle{number}", broker=url, set_as_current=False) for number in range(count)]
    workers = [make_worker(app, WorkerOptions(pool="solo", hostname=f"w{i}@h")) for i, app in enumerate(apps)]
    threads = [threading.Thread(target=_run, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.stop(StopMode.WARM)
        for thread in threads:
            thread.join(30)


def _run(worker: Worker) -> None:
    worker.run(install_signals=False)


if __name__ == "__main__":
    main()
