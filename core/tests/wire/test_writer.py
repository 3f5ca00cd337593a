"""A call is written as the message a Celery worker understands."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.errors import EncodeError, InvalidTask
from tq.wire.json import JsonSerializer
from tq.wire.protocol import TaskCall, parse_iso, read_task, write_task

JSON = JsonSerializer()
NOW = 1_000_000.0

text = st.text(min_size=1, max_size=20)
maybe = st.none() | text
moment = st.none() | st.datetimes().map(lambda value: value.isoformat() + "Z")
seconds = st.none() | st.integers(0, 10**6) | st.floats(0, 10**6)
signatures = st.none() | st.lists(st.fixed_dictionaries({"task": text, "args": st.lists(st.integers())}))
calls = st.builds(
    TaskCall,
    id=text,
    task=text,
    args=st.lists(st.integers() | text),
    kwargs=st.dictionaries(text, st.integers()),
    callbacks=signatures,
    errbacks=signatures,
    chain=signatures,
    chord=st.none() | st.fixed_dictionaries({"task": text}),
    eta=moment,
    expires=moment,
    retries=st.integers(0, 100),
    time_limit=seconds,
    soft_time_limit=seconds,
    group=maybe,
    group_index=st.none() | st.integers(0, 100),
    root_id=text,
    parent_id=maybe,
    shadow=maybe,
    ignore_result=st.none() | st.booleans(),
    reply_to=maybe,
    correlation_id=text,
    argsrepr=text,
    kwargsrepr=text,
    origin=text,
    replaced_task_nesting=st.integers(0, 9),
    stamped_headers=st.none() | st.lists(text),
    stamps=st.dictionaries(text, st.integers() | st.lists(text)),
    priority=st.integers(0, 9),
    headers=st.dictionaries(text.map(lambda name: f"x-{name}"), st.integers()),
)


@given(calls, st.none() | st.sampled_from(["gzip", "bzip2", "lzma"]))
def test_what_is_written_is_read_as_the_same_call(call: TaskCall, compression: str | None) -> None:
    message = write_task(call, JSON, compression=compression, now=NOW)
    read = read_task(message, {JSON.content_type: JSON}, size_limit=100_000)
    assert call.headers.items() <= read.headers.items()
    expected = msgspec.structs.replace(
        call, headers=read.headers, compression=message.headers.get("compression"), serializer="json"
    )
    assert read == expected


def written(**fields: Any) -> dict[str, Any]:
    return write_task(TaskCall("i1", "m.add", **fields), JSON, now=NOW).headers


def test_what_a_call_leaves_open_is_filled_in() -> None:
    headers = written(args=(1, "a"), kwargs={"y": 2})
    assert headers["root_id"] == "i1"
    assert headers["origin"].startswith(f"gen{os.getpid()}@")
    assert (headers["argsrepr"], headers["kwargsrepr"]) == ("(1, 'a')", "{'y': 2}")
    properties = write_task(TaskCall("i1", "m.add"), JSON, delivery_mode=1).properties
    assert properties == {"correlation_id": "i1", "reply_to": "", "delivery_mode": 1, "priority": 0}


def test_the_protocols_fields_win_over_headers_of_the_same_name() -> None:
    old = {"retries": 0, "eta": "2020-01-01", "id": "other", "mine": 1}
    headers = written(retries=1, headers=old)
    assert (headers["retries"], headers["eta"], headers["id"], headers["mine"]) == (1, None, "i1", 1)
    assert old["retries"] == 0


def test_headers_about_one_delivery_are_not_sent_on() -> None:
    headers = written(
        headers={"compression": "gzip", "redelivered": True, "x-death": [1], "x-delivery-count": 3}
    )
    assert not {"compression", "redelivered", "x-death", "x-delivery-count"} & headers.keys()


@pytest.mark.parametrize(("expires", "left"), [(NOW + 60, "60000"), (NOW + 0.5, "500"), (NOW - 60, "0")])
def test_the_expiration_is_in_milliseconds_and_never_negative(expires: float, left: str) -> None:
    iso = dt.datetime.fromtimestamp(expires, dt.UTC).isoformat()
    assert parse_iso(iso) == expires
    message = write_task(TaskCall("i1", "m.add", expires=iso), JSON, now=NOW)
    assert (message.headers["expires"], message.properties["expiration"]) == (iso, left)


def test_a_call_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(EncodeError, match="set"):
        written(args=({1},))
    with pytest.raises(InvalidTask, match="tomorrow"):
        written(expires="tomorrow")
    with pytest.raises(EncodeError, match="nosuch"):
        write_task(TaskCall("i1", "m.add"), JSON, compression="nosuch")
