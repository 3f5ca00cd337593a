"""The JSON envelope keeps a message whole, and reading one never raises."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.errors import EncodeError
from tq.records import Envelope, Message, Undecodable
from tq.wire.envelope import PARKED, pack, unpack

texts = st.text(st.characters(), max_size=20)  # with lone surrogates
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts, json_values, max_size=4)
messages = st.builds(
    Message, objects, objects, st.binary(), st.just("application/json"), st.sampled_from(["utf-8", "binary"])
)
ADDED = ("delivery_info", "priority", "body_encoding", "delivery_tag")


def envelope(message: Message, **options: Any) -> Envelope:
    return Envelope(message, "emails", **options)


@given(messages)
def test_a_message_comes_back_whole(message: Message) -> None:
    read = unpack(pack(envelope(message)))
    assert isinstance(read, Message)
    assert (read.headers, read.body) == (message.headers, message.body)
    assert (read.content_type, read.content_encoding) == (message.content_type, message.content_encoding)
    assert {**message.properties, **{name: read.properties[name] for name in ADDED}} == read.properties


def test_the_properties_say_where_the_message_went() -> None:
    plain = json.loads(pack(envelope(Message({}, {}, b""))))["properties"]
    assert plain["delivery_info"] == {"exchange": "", "routing_key": "emails"}
    assert (plain["priority"], plain["body_encoding"]) == (0, "base64")
    routed = json.loads(
        pack(envelope(Message({}, {}, b""), exchange="topic", routing_key="a.b", priority=7))
    )["properties"]
    assert routed["delivery_info"] == {"exchange": "topic", "routing_key": "a.b"}
    assert routed["priority"] == 7


def test_every_envelope_has_a_delivery_tag_of_its_own() -> None:
    tags = {json.loads(pack(envelope(Message({}, {}, b""))))["properties"]["delivery_tag"] for _ in range(9)}
    assert len(tags) == 9


@pytest.mark.parametrize(
    ("delay", "parked", "marked"),
    [(0, None, False), (5, None, True), (5, False, False), (0, True, True)],
)
def test_a_message_that_the_broker_keeps_back_is_marked(
    delay: float, parked: bool | None, marked: bool
) -> None:
    raw = pack(envelope(Message({}, {}, b""), delay=delay), parked=parked)
    assert json.loads(raw)["properties"].get(PARKED, False) is marked


def test_a_header_without_a_json_form_is_refused_with_the_tasks_name() -> None:
    with pytest.raises(EncodeError, match="m.add"):
        pack(envelope(Message({"task": "m.add", "odd": object()}, {}, b"")))


@pytest.mark.parametrize("properties", ["{}", '{"body_encoding": "utf-8"}', '{"body_encoding": "UTF-8"}'])
def test_a_body_in_plain_text_is_read(properties: str) -> None:
    raw = f'{{"body": "[[1], {{}}, {{}}]", "headers": {{"task": "m.add"}}, "properties": {properties}}}'
    read = unpack(raw.encode())
    assert isinstance(read, Message)
    assert read.body == b"[[1], {}, {}]"
    assert (read.content_type, read.content_encoding) == ("application/json", "utf-8")


def test_what_only_pythons_json_can_say_is_read() -> None:
    body = base64.b64encode(b"x").decode()
    read = unpack(
        b'{"body": "%s", "headers": {"a": NaN, "b": "\\ud800"}, "properties": {"body_encoding": "base64"}}'
        % body.encode()
    )
    assert isinstance(read, Message)
    assert read.headers["b"] == "\ud800"
    assert read.headers["a"] != read.headers["a"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"1",
        b"null",
        b"{}",
        b'{"headers": {}, "properties": {}}',
        b'{"body": "eA=="}',
        b'{"body": null, "headers": {}}',
        b'{"body": 5, "headers": {}}',
        b'{"body": "x", "headers": []}',
        b'{"body": "x", "headers": {}, "properties": 3}',
        b'{"body": "x", "headers": {}, "properties": {"body_encoding": "base64"}}',
        '{"body": "ä", "headers": {}, "properties": {"body_encoding": "base64"}}'.encode(),
        b'{"body": "eA==", "headers": {}, "properties": {"body_encoding": "rot13"}}',
        b'{"body": "eA==", "headers": {}, "properties": {"body_encoding": ["base64"]}}',
        b"[" * 200_000,
        b'{"body": "\\ud800", "headers": {"a": ' + b"9" * 10_000 + b"}}",
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_bytes_that_are_no_envelope_are_handed_out_as_undecodable(raw: bytes) -> None:
    read = unpack(raw)
    assert isinstance(read, Undecodable)
    assert read.raw == raw
    assert read.reason


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_reading_any_bytes_never_raises(raw: bytes) -> None:
    assert isinstance(unpack(raw), (Message, Undecodable))


parts = st.fixed_dictionaries(
    {},
    optional={
        "body": json_values,
        "headers": objects | json_values,
        "properties": st.fixed_dictionaries({}, optional={"body_encoding": st.just("base64") | json_values}),
        "content-type": json_values,
        "content-encoding": json_values,
    },
)


@given(parts)
def test_reading_any_object_never_raises(value: dict[str, Any]) -> None:
    assert isinstance(unpack(json.dumps(value).encode()), (Message, Undecodable))
