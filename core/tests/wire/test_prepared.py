"""A message put together from a template is, byte for byte, the one that is written by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.records import Envelope, Message
from tq.wire.call import TaskCall
from tq.wire.envelope import pack, unpack
from tq.wire.json import JsonSerializer
from tq.wire.prepared import Prepared, Template, id_of, template_of
from tq.wire.protocol import write_task

JSON = JsonSerializer()
texts = st.text(max_size=8) | st.sampled_from(['"%b"', "%s", "\ud800", '{"body":""', "}}"])
values = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(max_size=4) | st.dates()
signatures = st.none() | st.just([{"task": "é", "args": [1], "options": {}}])
common = st.builds(
    TaskCall,
    id=texts.filter(bool),
    task=texts,
    callbacks=signatures,
    errbacks=signatures,
    chain=signatures,
    chord=st.none() | st.just({"task": "c"}),
    retries=st.integers(0, 9),
    time_limit=st.none() | st.floats(0, 9),
    group=st.none() | texts,
    root_id=st.none() | texts,
    parent_id=st.none() | texts,
    shadow=st.none() | texts,
    ignore_result=st.none() | st.booleans(),
    reply_to=st.none() | texts,
    stamped_headers=st.none() | st.just(["tenant"]),
    stamps=st.just({}) | st.just({"tenant": ["a"]}),
    priority=st.none() | st.integers(0, 9),
)
places = st.builds(
    lambda *parts: lambda message: Envelope(message, *parts),
    texts,
    st.none() | st.integers(0, 9),
    st.sampled_from([0.0, 5.0]),
    texts,
    texts,
)


def template(call: TaskCall) -> Template:
    found = template_of(call, JSON)
    assert found is not None
    return found


def like(
    call: TaskCall, task_id: str, args: list[Any], kwargs: dict[str, Any], index: int | None
) -> TaskCall:
    """Another call like it, which is its own root if that one is."""
    root = task_id if call.root_id in (None, "", call.id) else call.root_id
    return msgspec.structs.replace(
        call, id=task_id, args=args, kwargs=kwargs, root_id=root, group_index=index
    )


def packed(envelope: Envelope, **options: Any) -> tuple[bytes, int]:
    """Without the tag, which is another each time."""
    return re.subn(rb'("delivery_tag": ?)"[0-9a-f-]{36}"', rb"\1", pack(envelope, **options))


@given(
    call=common,
    place=places,
    task_id=texts.filter(bool),
    args=st.lists(values, max_size=3),
    kwargs=st.dictionaries(texts, values, max_size=2),
    index=st.none() | st.integers(0, 9),
    ready_at=st.none() | st.floats(1e9, 2e9),
    parked=st.none() | st.booleans(),
)
def test_both_ways_write_the_same_bytes(
    call: TaskCall,
    place: Callable[[Message], Envelope],
    task_id: str,
    args: list[Any],
    kwargs: dict[str, Any],
    index: int | None,
    ready_at: float | None,
    parked: bool | None,
) -> None:
    alone = write_task(like(call, task_id, args, kwargs, index), JSON)
    made = template(call)
    pack(place(made.message(call.id, (), {})), ready_at=ready_at)
    message = made.message(task_id, args, kwargs, index)
    # The embedded signatures are escaped otherwise where something beside them needs the slower encoder.
    assert JSON.loads(message.body) == JSON.loads(alone.body) or "nan" in repr(args) + repr(kwargs)
    alone = msgspec.structs.replace(alone, body=message.body)
    assert packed(place(message), ready_at=ready_at, parked=parked) == packed(
        place(alone), ready_at=ready_at, parked=parked
    )
    assert message.headers == alone.headers
    assert message.properties == alone.properties


def test_what_was_changed_in_headers_or_properties_is_sent() -> None:
    message = template(TaskCall("i", "t")).message("j", (1,), {})
    assert (id_of(message), message.untouched) == ("j", True)
    message.headers["trace"] = "x"
    message.properties["mine"] = 1
    read = unpack(pack(Envelope(message, "q")))
    assert isinstance(read, Message)
    assert (read.headers["trace"], read.headers["id"], read.properties["mine"]) == ("x", "j", 1)


def test_messages_of_a_template_share_nothing_that_can_be_changed() -> None:
    made = template(TaskCall("i", "t", stamps={"a": ["b"]}, stamped_headers=["a"]))
    changed, other = made.message("j", (), {}), made.message("k", (), {})
    changed.headers["stamps"]["a"].append("c")
    changed.headers["stamped_headers"].append("c")
    changed.headers["timelimit"][0] = 5
    changed.properties["reply_to"] = "changed"
    assert (
        other.headers
        == write_task(TaskCall("k", "t", stamps={"a": ["b"]}, stamped_headers=["a"]), JSON).headers
    )
    assert other.properties["reply_to"] == ""


def test_headers_that_were_put_in_place_of_others_are_sent() -> None:
    message: Message = template(TaskCall("i", "t")).message("j", (), {})
    moved = msgspec.structs.replace(message, headers={"id": "k", "task": "t"})
    assert isinstance(moved, Prepared)
    assert (moved.headers, moved.properties) == ({"id": "k", "task": "t"}, message.properties)
    read = unpack(pack(Envelope(moved, "q")))
    assert isinstance(read, Message)
    assert read.headers == {"id": "k", "task": "t"}


class _Mine(JsonSerializer):
    """Somebody's own."""


@pytest.mark.parametrize(
    "change",
    [
        {"headers": {"a": 1}},
        {"eta": "2030-01-01T00:00:00"},
        {"expires": "2030-01-01T00:00:00"},
        {"argsrepr": "x"},
    ],
)
def test_what_depends_on_the_single_call_has_no_template(change: dict[str, Any]) -> None:
    assert template_of(TaskCall("i", "t"), _Mine()) is None
    assert template_of(msgspec.structs.replace(TaskCall("i", "t"), **change), JSON) is None
