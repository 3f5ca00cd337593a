"""What a real Celery 5.7 publishes is read as the call it stands for, and tq publishes the same."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tq.records import Envelope, Message
from tq.wire.compression import decompress
from tq.wire.envelope import pack, unpack
from tq.wire.json import JsonSerializer
from tq.wire.protocol import TaskCall, read_task, write_task

GOLDEN = Path(__file__).parent / "golden"
JSON = JsonSerializer()
BY_HAND = {"node_celery", "celery_node", "hybrid"}
BY_CELERY = {path.stem for path in GOLDEN.glob("*.json")} - BY_HAND
ADDED_BY_THE_BROKER = {"delivery_info", "body_encoding", "delivery_tag"}


def task_id(number: int) -> str:
    return str(uuid.UUID(int=number))


def call(number: int, args: list[Any], kwargs: dict[str, Any] | None = None, **rest: Any) -> TaskCall:
    """What every message of Celery says by default, and `rest`."""
    about: dict[str, Any] = {
        "root_id": task_id(number),
        "correlation_id": task_id(number),
        "reply_to": task_id(1),
        "origin": "gen1@host",
        "ignore_result": False,
        "priority": 0,
        "serializer": "json",
    }
    return TaskCall(task_id(number), "m.add", args, kwargs or {}, **(about | rest))


def foreign(number: int, **rest: Any) -> TaskCall:
    """What a message says at least."""
    return call(number, [1, 2], **({"origin": None, "ignore_result": None} | rest))


def signature(args: list[Any], options: dict[str, Any], **rest: Any) -> dict[str, Any]:
    base = {"task": "m.add", "args": args, "kwargs": {}, "options": options, "subtask_type": None}
    return base | {"immutable": False} | rest


def step(number: int, arg: int) -> dict[str, Any]:
    return signature([arg], {"task_id": task_id(number), "reply_to": task_id(1)})


CALLS = {
    "plain": call(2, [1, 2]),
    "options": call(
        3,
        [3],
        {"y": 4},
        callbacks=[signature([], {"task_id": task_id(31)}, task="m.total")],
        errbacks=[signature([[1]], {"task_id": task_id(32)}, task="m.total", immutable=True)],
        eta="2099-01-02T03:04:05.678901+00:00",
        expires="2099-01-03T00:00:00+02:00",
        retries=2,
        time_limit=30,
        soft_time_limit=20.5,
        root_id=task_id(33),
        parent_id=task_id(34),
        shadow="shown as",
        ignore_result=True,
        replaced_task_nesting=1,
        priority=6,
    ),
    "stamped": call(4, [1, 2], stamped_headers=["tags"], stamps={"tags": ["a", "b"]}),
    "chain": call(5, [1, 2], chain=[step(52, 4), step(51, 3)]),
    "group": call(61, [1, 1], group=task_id(6), group_index=1),
    "chord": call(
        71,
        [1, 1],
        group=task_id(7),
        group_index=1,
        chord=signature(
            [], {"task_id": task_id(79), "reply_to": task_id(1), "group_id": task_id(7)}, task="m.total"
        ),
    ),
    "gzip": call(2, [1, 2], compression="application/x-gzip"),
    "bzip2": call(2, [1, 2], compression="application/x-bz2"),
    "lzma": call(2, [1, 2], compression="application/x-lzma"),
    "zstd": call(2, [1, 2], compression="application/zstd"),
    "typed": call(
        8,
        [],
        {
            "datetime": dt.datetime(2026, 11, 21, 7, 8, 9, 123456, tzinfo=dt.UTC),
            "naive": dt.datetime(2026, 11, 21, 7, 8),
            "date": dt.date(2026, 11, 21),
            "time": dt.time(7, 8, 9),
            "decimal": Decimal("1.10"),
            "uuid": uuid.UUID(int=7),
            "bytes": "grün".encode(),
            "base64": b"\xff\x00",
            "tuple": [1, 2],
            "keys": {"2": "a", "true": "b", "null": "c", "1.5": "d"},
        },
    ),
    "odd_values": call(9, [float("nan"), float("inf"), "\ud800", 2**70]),
    "protocol1": foreign(2, eta="2099-01-02T03:04:05.678901+00:00", expires="2099-01-03T00:00:00+02:00"),
    "node_celery": foreign(10, priority=None),
    "celery_node": foreign(10, reply_to=None, priority=None),
    "hybrid": foreign(10, retries=1, eta="2099-01-02T03:04:05Z", time_limit=30, soft_time_limit=20),
}
WRITTEN = sorted(BY_CELERY - {"protocol1"})


def golden(name: str) -> tuple[dict[str, Any], Message]:
    document = json.loads((GOLDEN / f"{name}.json").read_text(encoding="ascii"))
    message = unpack(json.dumps(document["envelope"]).encode())
    assert isinstance(message, Message)
    return document, message


def test_every_vector_has_an_expected_call() -> None:
    assert set(CALLS) == BY_CELERY | BY_HAND


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_message_of_another_producer_is_read_as_the_call_it_stands_for(name: str) -> None:
    skip_without_its_package(name)
    _, message = golden(name)
    expected = msgspec.structs.replace(
        CALLS[name],
        headers=message.headers,
        argsrepr=message.headers.get("argsrepr"),
        kwargsrepr=message.headers.get("kwargsrepr"),
    )
    found = read_task(message, {JSON.content_type: JSON}, size_limit=10_000)
    found = TaskCall(**{name: getattr(found, name) for name in TaskCall.__struct_fields__})
    # As text, so that NaN equals NaN and 1 differs from 1.0.
    assert repr(found) == repr(expected)


@pytest.mark.parametrize("name", WRITTEN)
def test_tq_writes_the_same_message_as_celery(name: str) -> None:
    skip_without_its_package(name)
    document, theirs = golden(name)
    # How deep a repr goes and how it spells bytes is taste, so odd values take Celery's.
    odd = {key: theirs.headers[key] for key in ("argsrepr", "kwargsrepr") if name in ("typed", "odd_values")}
    asked = msgspec.structs.replace(
        CALLS[name], args=tuple(CALLS[name].args), headers=users_headers(theirs), **odd
    )
    ours = write_task(asked, JSON, compression=asked.compression, now=document["sent_at"])
    assert ours.headers == theirs.headers
    assert without_clock(ours.properties) == without_clock(theirs.properties)
    assert (ours.content_type, ours.content_encoding) == (theirs.content_type, theirs.content_encoding)
    assert repr(body_of(ours)) == repr(body_of(theirs))


def test_the_expiration_counts_to_the_same_moment_as_celerys() -> None:
    document, theirs = golden("options")
    ours = write_task(CALLS["options"], JSON, now=document["sent_at"])
    assert abs(int(ours.properties["expiration"]) - int(theirs.properties["expiration"])) < 60_000


@pytest.mark.parametrize("name", WRITTEN)
def test_tq_packs_the_same_envelope_as_kombu(name: str) -> None:
    document, theirs = golden(name)
    ours = json.loads(pack(Envelope(theirs, "celery", priority=theirs.properties["priority"])))
    ours["properties"]["delivery_tag"] = document["envelope"]["properties"]["delivery_tag"]
    assert ours == document["envelope"]


def skip_without_its_package(name: str) -> None:
    if name == "zstd":
        pytest.importorskip("zstandard", reason="zstd needs the extra tq-core[zstd]")


def users_headers(message: Message) -> dict[str, Any]:
    return {name: value for name, value in message.headers.items() if name in ("my", "nested")}


def without_clock(properties: dict[str, Any]) -> dict[str, Any]:
    skipped = ADDED_BY_THE_BROKER | {"expiration"}
    return {name: value for name, value in properties.items() if name not in skipped}


def body_of(message: Message) -> Any:
    method = message.headers.get("compression")
    return JSON.loads(decompress(message.body, method, limit=10_000) if method else message.body)
