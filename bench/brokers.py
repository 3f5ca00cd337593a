"""Each broker beside its raw client: `python -m bench.brokers [NAME ...]`, `--rounds`, `--count`, `--write`.

Both send messages of one size, and take them (remove one batch for good, receive the next) in the same batches, in turn,
in one process. The driver keeps leases,
order, priorities, delays and dead letters besides, and writes and reads Celery's message, whose bytes the client is given;
the client does the least that loses nothing. Ratios are the point: a driver should need no more than twice the client's
time. Processor time is that of this process and of the server together, which other load disturbs less.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bench import clients, processes
from tests.services.mariadb import MariadbServer
from tests.services.mongodb import MongodbServer
from tests.services.moto import KEY, REGION, SECRET, MotoServer
from tests.services.postgres import PostgresServer
from tests.services.rabbitmq import RabbitmqServer
from tests.services.redis import RedisServer
from tq import TQ
from tq.records import Action, Delivery, Envelope, Settlement
from tq.wire.envelope import pack

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks" / "brokers.md"
PARTS = ("send", "take")


@dataclass(frozen=True)
class Place:
    """An empty store: where the driver finds it, and a client of it."""

    url: str
    client: Callable[[], clients.Client]
    server: int | None = None
    """The process of the server, where there is one."""


@dataclass(frozen=True)
class Cost:
    """Seconds for a message: by the clock, part by part, and of the processor."""

    parts: dict[str, float]
    processor: float

    @property
    def whole(self) -> float:
        """All parts."""
        return sum(self.parts.values())


@dataclass(frozen=True)
class Store:
    """`serve` starts what is needed, and returns a maker of empty places."""

    name: str
    client: str
    serve: Callable[[ExitStack], Callable[[], Place]]
    count: int = 5_000
    batch: int = 100


def redis(stack: ExitStack) -> Callable[[], Place]:
    """A server that keeps nothing on disk."""
    server = stack.enter_context(RedisServer())

    def place() -> Place:
        server.ask("FLUSHALL")
        return Place(server.url, lambda: clients.Redis(server.url), server.pid)

    return place


def postgresql(stack: ExitStack) -> Callable[[], Place]:
    """A server that waits for the disk at each commit."""
    server = stack.enter_context(PostgresServer("fsync = on"))

    def place() -> Place:
        url = server.url_of(server.new_database())
        return Place(url, lambda: clients.Postgresql(url), server.pid)

    return place


def mariadb(stack: ExitStack) -> Callable[[], Place]:
    """A server with the settings of the tests."""
    server = stack.enter_context(MariadbServer())

    def place() -> Place:
        url = server.url_of(server.new_database())
        return Place(url, lambda: clients.Mariadb(url), server.pid)

    return place


def sqlite(stack: ExitStack) -> Callable[[], Place]:
    """A file for each of both."""
    folder = _folder(stack)

    def place() -> Place:
        name = uuid.uuid4().hex
        return Place(
            f"sqlite:///{folder}/{name}.db", lambda: clients.Sqlite(f"sqlite:///{folder}/{name}-raw.db")
        )

    return place


def rabbitmq(stack: ExitStack) -> Callable[[], Place]:
    """One node."""
    server = stack.enter_context(RabbitmqServer())

    def place() -> Place:
        url = server.url_of(server.new_vhost())
        return Place(url, lambda: clients.Rabbitmq(url), server.pid)

    return place


def sqs(stack: ExitStack) -> Callable[[], Place]:
    """moto's server, which is much slower than either."""
    server = stack.enter_context(MotoServer())

    def place() -> Place:
        server.reset()
        session = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "region_name": REGION}
        return Place(server.sqs_url, lambda: clients.Sqs(endpoint_url=server.url, **session), server.pid)

    return place


def mongodb(stack: ExitStack) -> Callable[[], Place]:
    """SecantusDB, an emulator."""
    server = stack.enter_context(MongodbServer())

    def place() -> Place:
        url = server.new_database()
        return Place(url, lambda: clients.Mongodb(url), server.pid)

    return place


def filesystem(stack: ExitStack) -> Callable[[], Place]:
    """A folder."""
    folder = _folder(stack)

    def place() -> Place:
        url = f"filesystem://{folder}/{uuid.uuid4().hex}"
        return Place(url, lambda: clients.Filesystem(url))

    return place


STORES = (
    Store("redis", "redis-py", redis, 20_000),
    Store("rabbitmq", "pika", rabbitmq, 10_000),
    Store("postgresql", "psycopg", postgresql),
    Store("mariadb", "PyMySQL", mariadb),
    Store("sqlite", "sqlite3", sqlite, 20_000),
    Store("sqs", "boto3 on moto", sqs, 300, 10),
    Store("mongodb", "pymongo on SecantusDB", mongodb, 1_000),
    Store("filesystem", "os", filesystem),
)


def main() -> None:
    """Measure, print, write."""
    options = _arguments()
    lines = [_HEAD]
    for store in STORES:
        if not options.store or store.name in options.store:
            count = min(store.count, options.count or store.count)
            lines.append(_line(store, *_measured(store, count, options.rounds)))
            print(lines[-1], flush=True)
    if options.write:
        PAGE.write_text(_PAGE.format(rounds=options.rounds) + "\n".join(lines) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", nargs="*", help="only these")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, help="at most so many messages")
    parser.add_argument("--write", action="store_true", help=f"write docs/benchmarks/{PAGE.name}")
    return parser.parse_args()


def _measured(store: Store, count: int, rounds: int) -> tuple[list[Cost], list[Cost]]:
    raw, driver = [], []
    with ExitStack() as stack:
        new_place = store.serve(stack)
        for _ in range(rounds):
            place = new_place()
            bodies, envelopes = messages(count)
            raw.append(_raw(place, bodies, store.batch))
            driver.append(_driver(place, envelopes, store.batch))
    return raw, driver


def messages(count: int) -> tuple[list[bytes], list[Envelope]]:
    """Calls of a no-op: for the client the bytes that a driver stores, for the driver what an app calls it with."""
    url = f"memory://{uuid.uuid4().hex}"
    with TQ("bench", broker=url, set_as_current=False) as app:
        noop: Any = app.task(name="bench.noop")(lambda: None)
        with patch.object(app.broker, "publish", wraps=app.broker.publish) as publish:
            noop.starmap_async(() for _ in range(count))
        envelopes = [envelope for call in publish.call_args_list for envelope in call.args[0]]
    return [pack(envelope) for envelope in envelopes], envelopes


def _raw(place: Place, bodies: Sequence[bytes], batch: int) -> Cost:
    client = place.client()
    taken: Sequence[Any] = ()

    def turn() -> int:
        nonlocal taken
        if taken:
            client.settle(taken)
        taken = client.receive(batch)
        return len(taken)

    return _timed(client.send, turn, bodies, batch, place.server)


def _driver(place: Place, envelopes: Sequence[Envelope], batch: int) -> Cost:
    taken: Sequence[Delivery] = ()
    with TQ("bench", broker=place.url, set_as_current=False) as app:
        broker = app.broker
        consumer = broker.consumer(["celery"], uuid.uuid4().hex, lease=60)

        def send(some: Sequence[Envelope]) -> None:
            errors = [error for error in broker.publish(some, timeout=30) if error is not None]
            if errors:
                raise errors[0]

        def turn() -> int:
            nonlocal taken
            done = [Settlement(delivery, Action.ACK) for delivery in taken]
            settled, taken = consumer.turn(done, batch, 5.0)
            if not all(settled):
                raise SystemExit("a settlement came too late")
            return len(taken)

        try:
            return _timed(send, turn, envelopes, batch, place.server)
        finally:
            consumer.close()


def _timed(
    send: Callable[[Sequence[Any]], None],
    turn: Callable[[], int],
    items: Sequence[Any],
    batch: int,
    server: int | None,
) -> Cost:
    """The cost of a message; one batch goes before, which opens connections."""
    send(items[:batch])
    turn()
    used = _used(server)
    began = time.perf_counter()
    for start in range(0, len(items), batch):
        send(items[start : start + batch])
    sent = time.perf_counter()
    done = 0
    while done < len(items):
        done += turn()
    ended = time.perf_counter()
    # Of a process that has ended meanwhile nothing is counted, neither before nor after.
    processor = sum(seconds - used.get(pid, 0.0) for pid, seconds in _used(server).items())
    parts = dict(zip(PARTS, ((sent - began) / len(items), (ended - sent) / len(items)), strict=True))
    return Cost(parts, processor / len(items))


def _used(server: int | None) -> dict[int, float]:
    """Seconds of processor time by process, of this one and of the server's."""
    pids = [] if server is None else processes.tree(server)
    return {0: time.process_time()} | {pid: processes.processor_seconds([pid]) for pid in pids}


def _line(store: Store, raw: Sequence[Cost], driver: Sequence[Cost]) -> str:
    def micros(rounds: Sequence[Cost]) -> str:
        parts = " + ".join(
            f"{statistics.median(one.parts[part] for one in rounds) * 1e6:.0f}" for part in PARTS
        )
        return f"{parts} | {statistics.median(one.processor for one in rounds) * 1e6:.0f}"

    whole = _spread([mine.whole / theirs.whole for mine, theirs in zip(driver, raw, strict=True)])
    busy = _spread([mine.processor / theirs.processor for mine, theirs in zip(driver, raw, strict=True)])
    return f"| {store.name} | {store.client} | {store.batch} | {micros(raw)} | {micros(driver)} | {whole} | {busy} |"


def _spread(times: Sequence[float]) -> str:
    return f"{statistics.median(times):.1f} ({min(times):.1f} to {max(times):.1f})"


def _folder(stack: ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tq-bench-")))


_HEAD = (
    "| broker | client | batch | client, µs | its processor | tq, µs | its processor "
    "| times the client's time | times its processor time |\n|---|---|---|---|---|---|---|---|---|"
)
_PAGE = """# Drivers beside their raw clients

Microseconds for one message: sending it + taking it (removing one batch for good, receiving the next), on one
connection each, client and driver in turn in one process (`python -m bench.brokers --write`, median of {rounds} rounds).
The client does the least that loses nothing; the driver keeps leases, order, priorities, delays and dead letters besides,
and writes and reads Celery's message. Processor time is that of client and server together. The goal is twice the
client's time.

"""


if __name__ == "__main__":
    main()
