"""Plain messages are read straight into records, and say the same as when they are read the long way."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.records import Envelope, Message, Undecodable
from tq.wire.arrived import Arrived, arrive, whole
from tq.wire.call import TaskCall
from tq.wire.envelope import pack, unpack
from tq.wire.json import JsonSerializer
from tq.wire.locks import lock_in
from tq.wire.protocol import read_task, write_task

READERS = {"application/json": JsonSerializer()}
PLAIN = (
    b'{"body":"W1tdLHt9LHt9XQ==","content-encoding":"utf-8","content-type":"application/json",'
    b'"headers":{"id":"i","task":"t","mine":%s},"properties":{"body_encoding":"base64","other":1}}'
)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
plain_values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text
signatures = st.none() | st.just([{"task": "b", "args": [1], "options": {}}])
calls = st.builds(
    TaskCall,
    id=text.filter(bool),
    task=text.filter(bool),
    args=st.lists(plain_values, max_size=3),
    kwargs=st.dictionaries(text, plain_values, max_size=2),
    callbacks=signatures,
    errbacks=signatures,
    chain=signatures,
    chord=st.none() | st.just({"task": "c"}),
    eta=st.none() | st.just("2030-01-01T00:00:00+00:00"),
    expires=st.none() | st.just("2030-01-01T00:00:00"),
    retries=st.integers(0, 9),
    time_limit=st.none() | st.integers(0, 9) | st.floats(0, 9),
    soft_time_limit=st.none() | st.integers(0, 9),
    group=st.none() | text,
    group_index=st.none() | st.integers(0, 9),
    root_id=st.none() | text,
    parent_id=st.none() | text,
    shadow=st.none() | text,
    ignore_result=st.none() | st.booleans(),
    reply_to=st.none() | text,
    correlation_id=st.none() | text,
    stamped_headers=st.none() | st.just(["tenant"]),
    stamps=st.just({}) | st.just({"tenant": ["a"]}),
    priority=st.none() | st.integers(0, 9),
    headers=st.just({}) | st.just({"mine": {"a": [1]}}),
)


def arrived(header: bytes = b"1") -> Arrived:
    return arrive(PLAIN % header)


def fields(call: TaskCall) -> dict[str, Any]:
    return {name: getattr(call, name) for name in TaskCall.__struct_fields__}


@given(call=calls)
def test_a_call_says_the_same_in_whichever_way_it_is_read(call: TaskCall) -> None:
    sent = write_task(call, JsonSerializer())
    message = unpack(pack(Envelope(sent, "q", call.priority)))
    assert isinstance(message, Arrived)
    found = read_task(message, READERS, size_limit=10**6)
    assert message.headers == sent.headers
    assert sent.properties.items() <= message.properties.items()
    assert fields(found) == fields(read_task(whole(message), READERS, size_limit=10**6))


@pytest.mark.parametrize(
    ("header", "value"),
    [(b"1e999", float("inf")), (b'"\\u00e9\xc3\xa9"', "éé"), (b'"\\ud83d\\ude00"', "\U0001f600")],
)
def test_a_header_that_nobody_needed_is_there_when_somebody_looks(header: bytes, value: object) -> None:
    assert arrived(header).headers == {"id": "i", "task": "t", "mine": value}
    assert arrived(header).properties == {"body_encoding": "base64", "other": 1}


@pytest.mark.parametrize("header", [b"9" * 5000, b"[" * 600 + b"]" * 600])
def test_a_header_that_cannot_be_read_takes_no_other_along(header: bytes) -> None:
    message = arrived(header)
    headers = _deeply(500, lambda: message.headers)
    assert (headers["id"], headers["task"]) == ("i", "t")


def _deeply(levels: int, look: Any) -> Any:
    return _deeply(levels - 1, look) if levels else look()


@pytest.mark.parametrize("header", [b'"\xff"', b'"\xed\xa0\x80"'])
def test_bytes_that_are_no_text_are_no_message_wherever_they_are(header: bytes) -> None:
    assert isinstance(unpack(PLAIN % header), (Undecodable, Message))
    assert not isinstance(unpack(PLAIN % header), Arrived)


@pytest.mark.parametrize(
    "changed",
    [
        {"task": 5},
        {"retries": "1"},
        {"compression": "application/x-gzip"},
        {"unique_key": "k", "unique_for": 5.0},
        {"shadow": 1},
    ],
)
def test_a_message_with_anything_out_of_the_ordinary_is_read_the_long_way(changed: dict[str, Any]) -> None:
    sent = write_task(TaskCall("i", "t"), JsonSerializer())
    message = unpack(pack(Envelope(msgspec.structs.replace(sent, headers={**sent.headers, **changed}), "q")))
    assert type(message) is Message
    assert message.headers == {**sent.headers, **changed}
    assert (lock_in(message) is not None) == ("unique_key" in changed)


def test_headers_that_were_put_in_place_of_others_are_those_that_are_seen() -> None:
    assert msgspec.structs.replace(arrived(), headers={"id": "j"}).headers == {"id": "j"}
    call = read_task(arrived(), READERS, size_limit=100)
    assert call.headers["mine"] == 1
    assert msgspec.structs.replace(call, headers={"x": 1}).headers == {"x": 1}
