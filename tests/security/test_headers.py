"""Huge headers, many headers, odd headers: the worker says in short what is wrong, and goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.security.test_depth import READERS, works_off
from tq.errors import ContentDisallowed, DecodeError, InvalidTask
from tq.records import Message, Undecodable
from tq.wire.envelope import unpack
from tq.wire.protocol import MAX_NAME, read_task

HUGE = "x" * 5_000_000
BODY = b"[[],{},{}]"


def envelope(**parts: Any) -> bytes:
    return json.dumps(
        {"body": BODY.decode(), "headers": {"task": "t", "id": "i"}, "properties": {}, **parts}
    ).encode()


@pytest.mark.parametrize(
    "headers",
    [
        {"task": HUGE, "id": "i"},
        {"task": "t", "id": HUGE},
        {"task": "t", "id": "i", "eta": HUGE},
        {"task": "t", "id": "i", "group": HUGE},
        {"task": "t", "id": "i", "compression": HUGE},
        {"task": "t", "id": "i", "retries": HUGE},
        {"task": "t", "id": "i", "timelimit": [HUGE, None]},
        {"task": "t", "id": "i", "stamped_headers": HUGE},
        {"task": {"x": HUGE}, "id": [HUGE]},
        {HUGE: 1},
    ],
    ids=lambda headers: "-".join(str(name)[:10] for name in headers),
)
def test_what_is_refused_is_told_in_short(headers: dict[str, Any]) -> None:
    message = Message(headers, {}, BODY)
    with pytest.raises((InvalidTask, DecodeError)) as caught:
        read_task(message, READERS, size_limit=10**8)
    assert len(str(caught.value)) < 2000
    works_off(message)


@pytest.mark.parametrize("name", ["content_type", "content_encoding"])
def test_a_huge_content_type_is_told_in_short(name: str) -> None:
    message = Message({"task": "t", "id": "i"}, {}, BODY, **{name: HUGE})
    if name == "content_type":
        with pytest.raises(ContentDisallowed) as caught:
            read_task(message, READERS, size_limit=10**8)
        assert len(str(caught.value)) < 2000
    works_off(message)


@pytest.mark.parametrize(
    "raw",
    [
        envelope(properties={"body_encoding": HUGE}),
        envelope(headers=HUGE),
        envelope(body=[HUGE]),
        HUGE.encode(),
        b'"' + HUGE.encode() + b'"',
    ],
    ids=["body_encoding", "headers", "body", "bytes", "text"],
)
def test_an_envelope_that_is_refused_is_told_in_short(raw: bytes) -> None:
    read = unpack(raw)
    assert isinstance(read, Undecodable)
    assert len(read.reason) < 2000
    works_off(read)


def test_a_body_that_is_refused_is_told_in_short() -> None:
    for body in (
        json.dumps({"__type__": HUGE, "__value__": 1}),
        json.dumps({"__type__": "uuid", "__value__": {HUGE: 1}}),
        json.dumps({"__type__": "datetime", "__value__": HUGE}),
        json.dumps({"__type__": "decimal", "__value__": HUGE}),
        "[" + HUGE,
    ):
        message = Message({"task": "t", "id": "i"}, {}, body.encode())
        with pytest.raises(DecodeError) as caught:
            read_task(message, READERS, size_limit=10**8)
        assert len(str(caught.value)) < 2000


def test_a_hundred_thousand_headers_are_read_and_kept() -> None:
    headers = {f"h{number}": number for number in range(100_000)} | {"task": "t", "id": "i"}
    message = unpack(envelope(headers=headers, body=BODY.decode()))
    assert isinstance(message, Message)
    assert len(read_task(message, READERS, size_limit=10**8).headers) == 100_002
    works_off(message)


def test_names_have_a_length_that_every_store_can_keep() -> None:
    good = Message({"task": "t" * MAX_NAME, "id": "i" * MAX_NAME}, {}, BODY)
    assert read_task(good, READERS, size_limit=1000).task == "t" * MAX_NAME
    for name in ("task", "id", "root_id", "parent_id", "group"):
        bad = Message({**good.headers, name: "x" * (MAX_NAME + 1)}, {}, BODY)
        with pytest.raises(InvalidTask, match=str(MAX_NAME)):
            read_task(bad, READERS, size_limit=1000)
