"""Bytes in a queue, put there as a broken program would: past tq, in the store's own way."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pymongo
import redis
import sqlalchemy as sa

from tests.services.moto import KEY, REGION, SECRET
from tq_amqp.address import read_addresses
from tq_amqp.connect import Connector
from tq_amqp.options import Options
from tq_amqp.protocol import methods
from tq_amqp.protocol.properties import pack_properties
from tq_filesystem.labels import key_of, new_label

QUEUE = "celery"
_PATIENCE = 30.0


def _redis(url: str, raw: bytes) -> None:
    with redis.Redis.from_url(url) as client:
        client.lpush(QUEUE, raw)


def _sql(url: str, raw: bytes) -> None:
    engine = sa.create_engine(url)
    statement = sa.text("INSERT INTO tq_messages (queue, lane, payload) VALUES (:queue, 9, :raw)")
    with engine.begin() as connection:
        connection.execute(statement, {"queue": QUEUE, "raw": raw})
    engine.dispose()


def _rabbitmq(url: str, raw: bytes) -> None:
    until = time.monotonic() + _PATIENCE
    wire = Connector(read_addresses(url), Options()).open(until)
    channel = wire.channel(until)
    channel.call(methods.confirm_select(), until)
    confirmed: list[int] = []
    channel.on_confirm = lambda tag, _, __: confirmed.append(tag)
    channel.send_content(methods.publish("", QUEUE), pack_properties({}), raw)
    assert wire.pump(lambda: bool(confirmed), until), "the server did not confirm the bytes"
    wire.close(until)


def _sqs(url: str, raw: bytes) -> None:
    client = boto3.client(
        "sqs",
        endpoint_url=f"http://127.0.0.1:{urlsplit(url).port}",
        region_name=REGION,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
    )
    queue = client.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    client.send_message(QueueUrl=queue, MessageBody=base64.b64encode(raw).decode() or "=")


def _filesystem(url: str, raw: bytes) -> None:
    folder = Path(urlsplit(url).path, "queues", key_of(QUEUE))
    (folder / "ready" / str(new_label(None, 1))).write_bytes(raw)
    with (folder / "bell").open("ab") as bell:
        bell.write(b".")


def _mongodb(url: str, raw: bytes) -> None:
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(url)
    with client:
        document: dict[str, Any] = {"q": QUEUE, "s": "ready", "u": 9, "o": 1, "a": 1, "raw": raw}
        client[urlsplit(url).path.strip("/")]["tq_messages"].insert_one(document)


_WAYS: Mapping[str, Callable[[str, bytes], None]] = {
    "redis": _redis,
    "sqlite": _sql,
    "postgresql": _sql,
    "mariadb": _sql,
    "rabbitmq": _rabbitmq,
    "sqs": _sqs,
    "filesystem": _filesystem,
    "mongodb": _mongodb,
}


def put_raw(kind: str, url: str, raw: bytes) -> None:
    """Put bytes into the queue of a store; the queue must have been used before."""
    _WAYS[kind](url, raw)
