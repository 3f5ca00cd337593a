# /// script
# [tool.bench]
# name = "limit"
# python = "own"
# [tool.bench.variants.redis]
# rows = ["delay"]
# worker = []
# [tool.bench.variants.sqlite]
# stores = ["sqlite"]
# rows = ["drain_sqlite", "drain_sqlite_two"]
# worker = ["{program}", "work", "{processes}"]
# [tool.bench.variants.postgresql]
# stores = ["postgresql"]
# rows = ["drain_postgresql", "delay_postgresql"]
# worker = ["{program}", "work", "{processes}"]
# [tool.bench.variants.rabbitmq]
# stores = ["rabbitmq"]
# rows = ["drain_rabbitmq"]
# worker = ["{program}", "work", "{processes}"]
# ///
"""No queue, but what a store and its driver allow: the yardstick of tq's own figures.

Redis: one push of one message at a time on tq's own connection. SQL: a bare loop that deletes what is done, and leases
the next 128 messages, in one transaction; each row carries as many bytes as a message of a no-op.
RabbitMQ: the bytes of such a message by the thousand, each confirmed; one consumer that counts what comes, and
acknowledges 128 at a time.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any

import measure

URL = os.environ["BENCH_URL"]
MESSAGE = b"x" * 900
BATCH = 128
TABLE = "create table raw (id {key}, lease double precision not null default 0, body {bytes} not null)"
INDEX = "create index raw_lease on raw (lease, id)"

Turn = Callable[[Sequence[int]], list[int]]


def sqlite() -> Any:
    """A connection with the settings that SQLite's own pages recommend for many small writes."""
    connection = sqlite3.connect(URL.removeprefix("sqlite:///"), timeout=30, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    return connection


def sqlite_turns() -> Turn:
    """Acknowledge and fetch in one transaction."""
    connection = sqlite()

    def turn(done: Sequence[int]) -> list[int]:
        connection.execute("begin immediate")
        connection.executemany("delete from raw where id = ?", [(each,) for each in done])
        rows = connection.execute(
            "update raw set lease = ? where id in (select id from raw where lease = 0 order by id limit ?) "
            "returning id, body",
            (time.time() + 60, BATCH),
        ).fetchall()
        connection.execute("commit")
        return [row[0] for row in rows]

    return turn


def postgresql() -> Any:
    """A connection of psycopg."""
    import psycopg

    return psycopg.connect(URL.replace("postgresql+psycopg", "postgresql"), autocommit=True)


def postgresql_turns() -> Turn:
    """Acknowledge and fetch in one transaction."""
    connection = postgresql()

    def turn(done: Sequence[int]) -> list[int]:
        with connection.transaction():
            connection.execute("delete from raw where id = any(%s)", (list(done),))
            rows = connection.execute(
                "update raw set lease = %s where id in (select id from raw where lease = 0 order by id limit %s "
                "for update skip locked) returning id, body",
                (time.time() + 60, BATCH),
            ).fetchall()
        return [row[0] for row in rows]

    return turn


def rabbitmq() -> Any:
    """A channel of tq's own client."""
    from tq_amqp.address import read_addresses
    from tq_amqp.connect import Connector
    from tq_amqp.options import Options

    until = time.monotonic() + 10
    return Connector(read_addresses(URL), Options()).open(until).channel(until)


def rabbitmq_send(count: int) -> float:
    """Publish; seconds until the last one is confirmed."""
    from tq.wire.call import TaskCall
    from tq.wire.ids import new_id
    from tq.wire.json import JsonSerializer
    from tq.wire.protocol import write_task
    from tq_amqp import messages
    from tq_amqp.protocol import methods as m

    channel, until = rabbitmq(), time.monotonic() + 60
    task_id = new_id()
    call = TaskCall(
        id=task_id, task="bench.noop", root_id=task_id, reply_to=new_id(), argsrepr="()", kwargsrepr="{}"
    )
    message = write_task(call, JsonSerializer())
    properties, address = messages.write(message), m.publish("", "celery")
    taken = 0

    def confirmed(tag: int, multiple: bool, ok: bool) -> None:
        nonlocal taken
        taken = max(taken, tag)

    channel.calls([m.queue_declare("celery"), m.confirm_select()], until)
    channel.on_confirm = confirmed
    began = time.perf_counter()
    for start in range(0, count, 1000):
        end = min(start + 1000, count)
        for _ in range(start, end):
            channel.send_content(address, properties, message.body)
        channel.wire.pump(lambda end=end: taken >= end, until)
    return time.perf_counter() - began


def rabbitmq_work() -> None:
    """Take what comes, for ever."""
    from tq_amqp.protocol import methods as m

    channel, until = rabbitmq(), time.monotonic() + 60
    channel.calls([m.qos(512), m.consume("celery", "raw")], until)
    acknowledged = 0
    while channel.wire.pump(lambda: bool(channel.deliveries), until):
        last = channel.deliveries[-1].tag
        for _ in channel.deliveries:
            measure.tick()
        channel.deliveries.clear()
        if last >= acknowledged + BATCH:
            channel.send(m.ack(last, multiple=True))
            acknowledged = last


def send(count: int) -> float:
    """Fill the table or queue; seconds."""
    if URL.startswith("amqp"):
        return rabbitmq_send(count)
    began = time.perf_counter()
    if URL.startswith("sqlite"):
        connection = sqlite()
        connection.execute(TABLE.format(key="integer primary key", bytes="blob"))
        connection.execute(INDEX)
        connection.execute("begin immediate")
        connection.executemany("insert into raw (body) values (?)", [(MESSAGE,)] * count)
        connection.execute("commit")
        connection.close()
    else:
        with postgresql() as connection:
            connection.execute(TABLE.format(key="bigserial primary key", bytes="bytea"))
            connection.execute(INDEX)
            connection.execute(
                "insert into raw (body) select %s from generate_series(1, %s)", (MESSAGE, count)
            )
            connection.execute("analyze raw")
    return time.perf_counter() - began


def work(processes: int) -> None:
    """Be a worker."""
    for _ in range(processes - 1):
        if os.fork() == 0:
            break
    if URL.startswith("amqp"):
        rabbitmq_work()
    turn = sqlite_turns() if URL.startswith("sqlite") else postgresql_turns()
    done: list[int] = []
    while done := turn(done):
        for _ in done:
            measure.tick()
    time.sleep(3600)


def one_by_one(count: int) -> float:
    """Raw round trips a second, one message in each."""
    if URL.startswith("postgresql"):
        connection = postgresql()
        connection.execute(TABLE.format(key="bigserial primary key", bytes="bytea"))
        connection.execute(INDEX)
        return measure.rate(
            lambda: connection.execute("insert into raw (body) values (%s)", (MESSAGE,)), count
        )
    import redis

    from tq_redis.link import Link, pack

    client = redis.Redis.from_url(URL)
    connection = client.connection_pool.get_connection()
    link, command = Link(connection), ("LPUSH", "celery", MESSAGE)
    return measure.rate(lambda: link.call(pack(command), 1, time.monotonic() + 10), count)


if __name__ == "__main__":
    measure.main(send=send, delay=one_by_one, work=work)
