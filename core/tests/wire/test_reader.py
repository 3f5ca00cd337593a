"""Any message is read as the call it stands for, or refused with one of the errors that are promised."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.errors import ContentDisallowed, DecodeError, InvalidTask, SerializationError
from tq.records import Message
from tq.wire.compression import compress
from tq.wire.json import JsonSerializer
from tq.wire.protocol import MAX_NAME, TaskCall, identify, parse_iso, read_task, write_task

JSON = JsonSerializer()
ACCEPTED = {JSON.content_type: JSON}
HEADERS = {"task": "m.add", "id": "i1"}
BODY: list[Any] = [[1, 2], {}, {}]


def message(
    body: Any = BODY, headers: dict[str, Any] | None = None, properties: dict[str, Any] | None = None
) -> Message:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Message(HEADERS if headers is None else headers, properties or {}, raw)


def read(*args: Any, **kwargs: Any) -> TaskCall:
    return read_task(message(*args, **kwargs), ACCEPTED, size_limit=10_000)


def test_a_message_needs_no_more_than_a_name_an_id_and_arguments() -> None:
    call = read()
    assert (call.task, call.id, call.args, call.kwargs) == ("m.add", "i1", [1, 2], {})
    assert (call.root_id, call.correlation_id, call.retries) == ("i1", "i1", 0)
    assert (call.ignore_result, call.priority, call.reply_to, call.compression) == (None, None, None, None)


@pytest.mark.parametrize(
    "body", [[[1], {}], [[1], {}, {}], [[1], {}, []], [[1], {}, None], [[1], []], [[1], None]]
)
def test_an_empty_or_missing_embed_and_empty_kwargs_of_any_kind_are_accepted(body: Any) -> None:
    call = read(body)
    assert (call.args, call.kwargs, call.callbacks, call.chord) == ([1], {}, None, None)


def test_null_arguments_are_no_arguments() -> None:
    call = read([None, None, None])
    assert (list(call.args), call.kwargs) == ([], {})


@pytest.mark.parametrize("names", [("reply_to", "correlation_id"), ("replyTo", "correlationId")])
def test_properties_are_known_by_both_spellings(names: tuple[str, str]) -> None:
    call = read(properties={names[0]: "r", names[1]: "c", "priority": 5})
    assert (call.reply_to, call.correlation_id, call.priority) == ("r", "c", 5)


@pytest.mark.parametrize(
    "properties", [{"priority": "high"}, {"priority": -1}, {"priority": 2**70}, {"reply_to": 5}]
)
def test_properties_of_no_use_are_ignored(properties: dict[str, Any]) -> None:
    call = read(properties=properties)
    assert (call.priority, call.reply_to, call.correlation_id) == (None, None, "i1")


def test_headers_for_logs_may_hold_anything() -> None:
    call = read(
        headers=HEADERS | {"shadow": 1, "argsrepr": [2], "kwargsrepr": {}, "origin": False, "lang": 3}
    )
    assert (call.shadow, call.argsrepr, call.kwargsrepr, call.origin) == (None, None, None, None)


def test_all_headers_are_kept_as_received() -> None:
    headers = HEADERS | {"mine": {"a": [1]}, "redelivered": True}
    assert read(headers=headers).headers == headers


def test_protocol_1_takes_its_group_from_taskset() -> None:
    body = {
        "task": "m.add",
        "id": "i2",
        "args": [1],
        "kwargs": {"y": 2},
        "taskset": "g",
        "timelimit": [3, None],
    }
    call = read(body, {})
    assert (call.task, call.id, call.args, call.kwargs) == ("m.add", "i2", [1], {"y": 2})
    assert (call.group, call.time_limit, call.soft_time_limit) == ("g", 3, None)


def test_protocol_1_keeps_its_callbacks_and_the_users_headers() -> None:
    link = {"task": "m.log", "args": []}
    body = {"task": "m.add", "id": "i2", "callbacks": [link], "errbacks": [link], "chord": link}
    call = read(body, {"mine": 1})
    assert (call.callbacks, call.errbacks, call.chord, call.headers) == ([link], [link], link, {"mine": 1})


def test_in_the_mixed_form_headers_win_over_the_body() -> None:
    call = read({"id": "body", "args": [1], "retries": 3, "root_id": "r"}, HEADERS)
    assert (call.id, call.args, call.retries, call.root_id) == ("i1", [1], 3, "r")


@pytest.mark.parametrize(
    ("headers", "hint"),
    [
        ({"task": "m.add"}, "id"),
        ({"task": "m.add", "id": None}, "id"),
        ({"task": "m.add", "id": 5}, "id"),
        ({"task": "m.add", "id": ""}, "id"),
        ({"task": "m.add", "id": "x" * (MAX_NAME + 1)}, "id"),
        ({"task": "m.add", "id": "\ud800"}, "surrogate"),
        ({"task": None, "id": "i1"}, "task"),
        ({"task": "t" * (MAX_NAME + 1), "id": "i1"}, "task"),
        (HEADERS | {"eta": "soon"}, "soon"),
        (HEADERS | {"eta": 5}, "eta"),
        (HEADERS | {"eta": "1" * 10_000}, "eta"),
        (HEADERS | {"expires": "2026-13-01"}, "2026-13-01"),
        (HEADERS | {"retries": "many"}, "retries"),
        (HEADERS | {"retries": -1}, "retries"),
        (HEADERS | {"timelimit": [1]}, "timelimit"),
        (HEADERS | {"timelimit": [-1, None]}, "timelimit"),
        (HEADERS | {"timelimit": [float("nan"), None]}, "timelimit"),
        (HEADERS | {"group": 7}, "group"),
        (HEADERS | {"stamps": []}, "stamps"),
        ({}, "no task header"),
    ],
)
def test_bad_headers_are_an_invalid_task_that_names_the_fault(headers: dict[str, Any], hint: str) -> None:
    with pytest.raises(InvalidTask, match=hint):
        read(headers=headers)


@pytest.mark.parametrize(
    "body",
    [
        None,
        5,
        "text",
        [],
        [[]],
        [[], {}, {}, {}],
        ["args", {}, {}],
        ["", {}, {}],
        [{}, {}, {}],
        [[], "kwargs", {}],
        [[], [1], {}],
        [[], {}, "embed"],
        [[], {}, [1]],
        [[], {}, {"callbacks": "sig"}],
        [[], {}, {"callbacks": ["sig"]}],
        [[], {}, {"chain": [[1]]}],
        [[], {}, {"chord": []}],
    ],
    ids=repr,
)
def test_a_body_of_another_shape_is_an_invalid_task(body: Any) -> None:
    with pytest.raises(InvalidTask):
        read(body)


def test_an_error_stays_short_whatever_the_message_holds() -> None:
    for headers in ({"task": "t" * 10**6, "id": 5}, {"task": ["t"] * 10**6, "id": "i" * 10**6}):
        with pytest.raises(InvalidTask) as error:
            read(headers=headers)
        assert len(str(error.value)) < 1000


def test_a_content_type_that_is_not_accepted_is_named_with_the_setting() -> None:
    pickled = Message(HEADERS, {}, b"", "application/x-python-serialize", "binary")
    with pytest.raises(ContentDisallowed, match=r"m\.add.*application/x-python-serialize.*accept_content"):
        read_task(pickled, ACCEPTED, size_limit=10)


def test_a_compressed_body_must_not_grow_beyond_the_limit() -> None:
    body, content_type = compress(json.dumps([["x" * 5000], {}, {}]).encode(), "gzip")
    packed = message(body, HEADERS | {"compression": content_type})
    assert read_task(packed, ACCEPTED, size_limit=6000).compression == content_type
    with pytest.raises(DecodeError, match="5000"):
        read_task(packed, ACCEPTED, size_limit=5000)


@pytest.mark.parametrize("compression", ["nosuch", 5, ["gzip"], {"a": 1}, "application/x-gzip"])
def test_a_body_that_is_not_compressed_as_it_says_is_a_decode_error(compression: Any) -> None:
    with pytest.raises(DecodeError):
        read(headers=HEADERS | {"compression": compression})


class Objects:
    """A serializer of a plugin that yields what JSON cannot, or breaks its contract."""

    api_version: ClassVar[int] = 1
    name: ClassVar[str] = "objects"
    content_type: ClassVar[str] = "application/x-objects"
    content_encoding: ClassVar[str] = "binary"
    safe: ClassVar[bool] = False

    def __init__(self, value: Any) -> None:
        self.value = value

    def dumps(self, value: Any) -> bytes:
        return repr(value).encode()

    def loads(self, data: bytes) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


class Signature(dict[str, Any]):
    pass


def read_objects(value: Any) -> TaskCall:
    serializer = Objects(value)
    odd = Message(HEADERS, {}, b"", serializer.content_type, "binary")
    return read_task(odd, {serializer.content_type: serializer}, size_limit=10)


def test_arguments_of_other_serializers_are_taken_as_they_are() -> None:
    thing = object()
    call = read_objects(((thing,), {"a": thing}, {"callbacks": [Signature(task="m.log")]}))
    assert (call.args, call.kwargs, call.serializer) == ((thing,), {"a": thing}, "objects")
    assert call.callbacks == [{"task": "m.log"}]


def test_keyword_arguments_need_text_as_names() -> None:
    with pytest.raises(InvalidTask, match="text"):
        read_objects(([], {1: 2}, {}))


def test_a_serializer_that_breaks_its_contract_becomes_a_decode_error() -> None:
    with pytest.raises(DecodeError, match=r"objects.*ZeroDivisionError"):
        read_objects(ZeroDivisionError("oops"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    [field.name for field in msgspec.structs.fields(TaskCall)]
    + ["timelimit", "taskset", "lang", "utc", "replyTo", "correlationId"]
)
moments = st.datetimes().map(lambda moment: moment.isoformat())
values = json_values | moments | st.sampled_from(["gzip", "application/x-bz2", "i1", "m.add", 1, [30, 20]])
fields = st.dictionaries(names, values, max_size=6)
bodies = (
    st.binary()
    | json_values.map(lambda value: json.dumps(value).encode())
    | fields.map(lambda value: json.dumps(value).encode())
    | st.tuples(st.lists(values), fields, fields).map(lambda value: json.dumps(value).encode())
)
named = fields.map(lambda found: HEADERS | found)
any_message = st.builds(
    Message, fields | named, fields, bodies | bodies.map(lambda body: compress(body, "gzip")[0])
)


@given(any_message)
def test_any_message_is_read_or_refused_as_promised(found: Message) -> None:
    try:
        call = read_task(found, ACCEPTED, size_limit=10_000)
    except (SerializationError, InvalidTask):
        return
    # What could be read can be sent again, as a retry does, and means the same.
    again = read_task(write_task(call, JSON, now=0), ACCEPTED, size_limit=10_000)
    ours: dict[str, Any] = {"headers": {}, "compression": None}
    filled = {"argsrepr": again.argsrepr, "kwargsrepr": again.kwargsrepr, "origin": again.origin}
    expected = msgspec.structs.replace(call, **ours, **filled, priority=call.priority or 0)
    assert repr(msgspec.structs.replace(again, **ours)) == repr(expected)


@given(any_message)
def test_identifying_any_message_never_raises(found: Message) -> None:
    for name in identify(found):
        assert name is None or (isinstance(name, str) and 0 < len(name) <= MAX_NAME)


def test_a_broken_message_is_known_by_its_headers() -> None:
    assert identify(message(b"not json", HEADERS | {"eta": "soon"})) == ("i1", "m.add")
    assert identify(message(headers={"id": 5, "task": "m.add"})) == (None, "m.add")
    assert identify(message([], {"id": "i1"})) == ("i1", None)


def test_a_broken_message_of_protocol_1_is_known_by_its_body() -> None:
    assert identify(message({"task": "m.add", "id": "i2", "args": 5}, {})) == ("i2", "m.add")
    assert identify(message(b"not json", {})) == (None, None)
    assert identify(message([1], {})) == (None, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00+00:00", 0),
        ("1970-01-01T00:00:01Z", 1),
        ("1970-01-01T00:00:01", 1),
        ("1970-01-01 00:00:01.250", 1.25),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-02", 86400),
        ("2026-11-21T02:32:51.924273+00:00", 1795228371.924273),
        ("0001-01-01T00:00:00+23:59", -62135683140),
        ("9999-12-31T23:59:59-23:59", 253402387139),
    ],
)
def test_a_moment_is_read_as_unix_seconds(text: str, seconds: float) -> None:
    assert parse_iso(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "12", "2026-02-30", "2026-11-21T25:00", "\ud800", "x" * 10_000])
def test_what_is_no_moment_is_an_invalid_task(text: str) -> None:
    with pytest.raises(InvalidTask, match="ISO 8601"):
        parse_iso(text)


@pytest.mark.parametrize("body", [{"task": "m.add", "id": "i1", "\ud800": 1}, [[], {}, {"\ud800": 1}]])
def test_half_a_surrogate_pair_as_a_name_is_refused(body: Any) -> None:
    headers: dict[str, Any] | None = None if isinstance(body, list) else {}
    with pytest.raises(InvalidTask):
        read(body, headers)
