"""What client libraries do by themselves: batches of messages sent, received and removed, by the shortest way.

Each class is one store. Nothing is promised beyond the store's own word: no leases, no dead letters, no order of priority.
What is promised costs the same as in the driver: writes are as durable, and who looks for messages does not pass by all
that others have taken.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

_TAKE = (
    "UPDATE messages SET owner = 1 WHERE id IN "
    "(SELECT id FROM messages WHERE owner IS NULL ORDER BY id LIMIT {limit}{lock}) RETURNING id, body"
)


class Client(ABC):
    """One connection. `receive` returns what `settle` needs, one entry for each message."""

    @abstractmethod
    def send(self, bodies: Sequence[bytes]) -> None:
        """Put messages into the queue, for sure."""

    @abstractmethod
    def receive(self, limit: int) -> Sequence[Any]:
        """Take up to so many, such that the store still has them."""

    @abstractmethod
    def settle(self, taken: Sequence[Any]) -> None:
        """Remove them for good."""


class Redis(Client):
    """redis-py: a list, and one of what is taken."""

    def __init__(self, url: str) -> None:
        import redis

        self._client = redis.Redis.from_url(url)

    def send(self, bodies: Sequence[bytes]) -> None:
        self._client.lpush("raw", *bodies)

    def receive(self, limit: int) -> Sequence[Any]:
        with self._client.pipeline(transaction=True) as pipe:
            for _ in range(limit):
                pipe.rpoplpush("raw", "taken")
            return [body for body in pipe.execute() if body is not None]

    def settle(self, taken: Sequence[Any]) -> None:
        self._client.ltrim("taken", len(taken), -1)


class Rabbitmq(Client):
    """pika: publishes without confirms and one question behind them; a prefetch, and one acknowledgement for all."""

    def __init__(self, url: str) -> None:
        import pika  # type: ignore[import-untyped]

        self._properties = pika.BasicProperties(delivery_mode=2)
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()
        self._channel.queue_declare("raw", durable=True)

    def send(self, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            self._channel.basic_publish("", "raw", body, self._properties)
        self._channel.queue_declare("raw", passive=True)

    def receive(self, limit: int) -> Sequence[Any]:
        self._channel.basic_qos(prefetch_count=limit)
        taken = []
        for method, _, body in self._channel.consume("raw", inactivity_timeout=5):
            taken.append((method.delivery_tag, body))
            if len(taken) == limit:
                break
        return taken

    def settle(self, taken: Sequence[Any]) -> None:
        self._channel.basic_ack(taken[-1][0], multiple=True)
        self._channel.cancel()


class Sqlite(Client):
    """sqlite3: one table, one transaction for each batch."""

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, body BLOB, owner INTEGER)")
        self._connection.execute("CREATE INDEX owners ON messages (owner, id)")

    def send(self, bodies: Sequence[bytes]) -> None:
        self._many("INSERT INTO messages (body) VALUES (?)", [(body,) for body in bodies])

    def receive(self, limit: int) -> Sequence[Any]:
        return self._connection.execute(_TAKE.format(limit=limit, lock="")).fetchall()

    def settle(self, taken: Sequence[Any]) -> None:
        self._many("DELETE FROM messages WHERE id = ?", [(row[0],) for row in taken])

    def _many(self, statement: str, rows: Sequence[Any]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(statement, rows)
        self._connection.execute("COMMIT")


class Postgresql(Client):
    """psycopg: one table, one statement for each batch."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
        self._connection.execute("CREATE TABLE messages (id bigserial PRIMARY KEY, body bytea, owner bigint)")
        self._connection.execute("CREATE INDEX owners ON messages (owner, id)")

    def send(self, bodies: Sequence[bytes]) -> None:
        self._connection.execute("INSERT INTO messages (body) SELECT unnest(%s::bytea[])", (list(bodies),))

    def receive(self, limit: int) -> Sequence[Any]:
        statement: Any = _TAKE.format(limit=limit, lock=" FOR UPDATE SKIP LOCKED")
        return self._connection.execute(statement).fetchall()

    def settle(self, taken: Sequence[Any]) -> None:
        self._connection.execute("DELETE FROM messages WHERE id = ANY(%s)", ([row[0] for row in taken],))


class Mariadb(Client):
    """PyMySQL: one table, one transaction for each batch."""

    def __init__(self, url: str) -> None:
        import pymysql  # type: ignore[import-untyped]

        made = urlsplit(url)
        self._connection = pymysql.connect(
            host=made.hostname,
            port=made.port,
            user=made.username,
            password=made.password or "",
            database=made.path.strip("/"),
            autocommit=False,
        )
        self._cursor = self._connection.cursor()
        self._cursor.execute(
            "CREATE TABLE messages (id BIGINT AUTO_INCREMENT PRIMARY KEY, body LONGBLOB, owner BIGINT, KEY (owner, id))"
        )

    def send(self, bodies: Sequence[bytes]) -> None:
        self._cursor.executemany("INSERT INTO messages (body) VALUES (%s)", [(body,) for body in bodies])
        self._connection.commit()

    def receive(self, limit: int) -> Sequence[Any]:
        self._cursor.execute(
            "SELECT id, body FROM messages WHERE owner IS NULL ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
            (limit,),
        )
        taken: Sequence[Any] = self._cursor.fetchall()
        self._cursor.execute("UPDATE messages SET owner = 1 WHERE id IN %s", ([row[0] for row in taken],))
        self._connection.commit()
        return taken

    def settle(self, taken: Sequence[Any]) -> None:
        self._cursor.execute("DELETE FROM messages WHERE id IN %s", ([row[0] for row in taken],))
        self._connection.commit()


class Sqs(Client):
    """boto3: ten messages in each request, which is the service's limit."""

    def __init__(self, **session: Any) -> None:
        import boto3

        self._client = boto3.client("sqs", **session)
        self._queue = self._client.create_queue(QueueName="raw")["QueueUrl"]

    def send(self, bodies: Sequence[bytes]) -> None:
        for some in _tens(bodies):
            entries: Any = [{"Id": str(n), "MessageBody": body.decode()} for n, body in enumerate(some)]
            self._client.send_message_batch(QueueUrl=self._queue, Entries=entries)

    def receive(self, limit: int) -> Sequence[Any]:
        taken: list[Any] = []
        while len(taken) < limit:
            answer = self._client.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
            taken += answer["Messages"]
        return taken

    def settle(self, taken: Sequence[Any]) -> None:
        for some in _tens(taken):
            entries: Any = [
                {"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(some)
            ]
            self._client.delete_message_batch(QueueUrl=self._queue, Entries=entries)


class Mongodb(Client):
    """pymongo: one collection; what is taken is marked by its id."""

    def __init__(self, url: str) -> None:
        import pymongo

        client: Any = pymongo.MongoClient(url, w="majority", journal=True)
        self._messages = client.get_default_database()["messages"]
        self._numbers = itertools.count()
        self._messages.create_index([("owner", 1), ("_id", 1)])

    def send(self, bodies: Sequence[bytes]) -> None:
        self._messages.insert_many(
            [{"_id": next(self._numbers), "body": body, "owner": 0} for body in bodies]
        )

    def receive(self, limit: int) -> Sequence[Any]:
        taken = list(self._messages.find({"owner": 0}).sort("_id", 1).limit(limit))
        self._messages.update_many({"_id": {"$in": [each["_id"] for each in taken]}}, {"$set": {"owner": 1}})
        return taken

    def settle(self, taken: Sequence[Any]) -> None:
        self._messages.delete_many({"_id": {"$in": [each["_id"] for each in taken]}})


class Filesystem(Client):
    """No library: a file for each message, renamed into the queue, then to its owner, then removed."""

    def __init__(self, url: str) -> None:
        self._numbers = itertools.count()
        folder = f"{url.removeprefix('filesystem://')}/raw"
        self._new, self._queue, self._taken = (f"{folder}/{name}" for name in ("new", "queue", "taken"))
        for each in (self._new, self._queue, self._taken):
            os.makedirs(each)

    def send(self, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            name = f"{next(self._numbers):09}"
            handle = os.open(f"{self._new}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            os.write(handle, body)
            os.close(handle)
            os.rename(f"{self._new}/{name}", f"{self._queue}/{name}")

    def receive(self, limit: int) -> Sequence[Any]:
        taken = sorted(os.listdir(self._queue))[:limit]
        for name in taken:
            os.rename(f"{self._queue}/{name}", f"{self._taken}/{name}")
            handle = os.open(f"{self._taken}/{name}", os.O_RDONLY)
            os.read(handle, os.fstat(handle).st_size)
            os.close(handle)
        return taken

    def settle(self, taken: Sequence[Any]) -> None:
        for name in taken:
            os.unlink(f"{self._taken}/{name}")


def _tens(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[start : start + 10] for start in range(0, len(items), 10))
