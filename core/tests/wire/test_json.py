"""The JSON serializer writes what kombu writes, reads what kombu reads, and fails in two ways only."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import json
import math
import uuid
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tq.contracts import Serializer
from tq.errors import DecodeError, EncodeError
from tq.wire.json import JsonSerializer

JSON = JsonSerializer()

texts = st.text(st.characters())  # with lone surrogates
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
)
offsets = st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)).map(
    lambda delta: dt.timezone(dt.timedelta(minutes=delta // dt.timedelta(minutes=1)))
)
typed = (
    # ISO 8601 cannot say which of two equal wall-clock hours is meant.
    st.datetimes(timezones=st.none() | offsets).map(lambda value: value.replace(fold=0))
    | st.dates()
    | st.times().map(lambda value: value.replace(fold=0))
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.binary()
)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Mode(enum.StrEnum):
    FAST = "fast"


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Moment(dt.datetime):
    pass


class Struct(msgspec.Struct):
    x: int = 1


@dataclasses.dataclass
class Data:
    x: int = 1


class WithForm:
    def __repr__(self) -> str:
        return "WithForm()"  # part of a test's name, so without an address

    def __json__(self) -> Any:
        return {"when": dt.date(2026, 11, 21)}


class Raising:
    def __json__(self) -> Any:
        raise LookupError("no form today")


Pair = collections.namedtuple("Pair", "a b")


def test_it_keeps_the_serializer_contract() -> None:
    assert isinstance(JSON, Serializer)
    assert (JSON.name, JSON.content_type, JSON.content_encoding) == ("json", "application/json", "utf-8")


@given(plain)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    # repr tells 1 from 1.0 and True, and lets NaN equal itself.
    assert repr(JSON.loads(JSON.dumps(value))) == repr(value)


@given(plain)
def test_the_standard_library_reads_what_is_written(value: Any) -> None:
    assert repr(json.loads(JSON.dumps(value))) == repr(value)


@given(plain)
def test_what_the_standard_library_writes_is_read(value: Any) -> None:
    assert repr(JSON.loads(json.dumps(value).encode())) == repr(value)


@given(st.recursive(typed, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_typed_values_come_back_with_their_type(value: Any) -> None:
    assert repr(JSON.loads(JSON.dumps(value))) == repr(value)


@given(st.dictionaries(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.integers()))
def test_keys_become_text_as_the_standard_library_makes_them(value: dict[Any, int]) -> None:
    assert JSON.loads(JSON.dumps(value)) == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ((1, (2,)), [1, [2]]),
        (Pair(1, 2), [1, 2]),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.defaultdict(int, a=1), {"a": 1}),
        (Level.HIGH, 3),
        (Mode.FAST, "fast"),
        (Text("x"), "x"),
        (Number(7), 7),
        ({Level.HIGH: 1, Text("k"): 2}, {"3": 1, "k": 2}),
        (2**64, 2**64),
        (-(2**63) - 1, -(2**63) - 1),
        (10**400, 10**400),
        (WithForm(), {"when": {"__type__": "date", "__value__": "2026-11-21"}}),
        (Moment(2026, 11, 21), {"__type__": "datetime", "__value__": "2026-11-21T00:00:00"}),
        (dt.time(1, 2, 3), {"__type__": "time", "__value__": "01:02:03"}),
        (Decimal("1.10"), {"__type__": "decimal", "__value__": "1.10"}),
        (uuid.UUID(int=7), {"__type__": "uuid", "__value__": {"hex": "0" * 31 + "7"}}),
        ("grün".encode(), {"__type__": "bytes", "__value__": "grün"}),
        (b"\xff\x00", {"__type__": "base64", "__value__": "/wA="}),
    ],
    ids=repr,
)
def test_a_value_takes_the_form_that_kombu_gives_it(value: Any, form: Any) -> None:
    assert json.loads(JSON.dumps(value)) == form
    assert json.loads(JSON.dumps([{"deep": value}])) == [{"deep": form}]


@pytest.mark.parametrize(
    "value",
    [
        {1},
        frozenset({1}),
        Colour.RED,
        Data(),
        Struct(),
        dt.timedelta(1),
        bytearray(b"x"),
        memoryview(b"x"),
        PurePosixPath("x"),
        1j,
        object(),
        range(3),
        collections.deque([1]),
        Data,
        ValueError("x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_kombu_cannot_write_is_refused_by_the_name_of_its_type(value: Any) -> None:
    for holder in (value, [value], {"a": (1, value)}):
        with pytest.raises(EncodeError, match=type(value).__name__):
            JSON.dumps(holder)


@pytest.mark.parametrize("key", [(1, 2), b"k", uuid.UUID(int=1), dt.date(2026, 1, 1)], ids=repr)
def test_a_key_without_a_form_is_refused_by_the_name_of_its_type(key: Any) -> None:
    with pytest.raises(EncodeError, match=type(key).__name__):
        JSON.dumps({key: 1})


def test_a_failing_form_of_the_users_is_an_encode_error_with_its_reason() -> None:
    with pytest.raises(EncodeError, match="no form today"):
        JSON.dumps([Raising()])


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(EncodeError, match="Circular|holds itself"):
        JSON.dumps(loop)


def test_nesting_too_deep_to_write_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(EncodeError, match="nested too deeply"):
        JSON.dumps(deep)


def test_djangos_lazy_texts_are_written_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    class Promise:
        def __str__(self) -> str:
            return "translated"

    module = type(json)("django.utils.functional")
    module.__dict__["Promise"] = Promise
    monkeypatch.setitem(__import__("sys").modules, "django.utils.functional", module)
    assert JSON.dumps([Promise()]) == b'["translated"]'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[1,]",
        b"01",
        b'"\xff"',
        b'"a\nb"',
        b"\xef\xbb\xbf1",
        b"1 2",
        b"\x80\x04N.",
        '"text"'.encode("utf-16"),
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'["__type__",' * 200_000,
        b"9" * 100_000,
        b'{"__type__": "nosuch", "__value__": 1}',
        b'{"__type__": ["datetime"], "__value__": 1}',
        b'{"__type__": "datetime", "__value__": 1}',
        b'{"__type__": "datetime", "__value__": "soon"}',
        b'{"__type__": "time", "__value__": null}',
        b'{"__type__": "decimal", "__value__": "x"}',
        b'{"__type__": "decimal", "__value__": {}}',
        b'{"__type__": "uuid", "__value__": {"hex": "7"}}',
        b'{"__type__": "uuid", "__value__": {"nosuch": "7"}}',
        b'{"__type__": "uuid", "__value__": "7"}',
        b'{"__type__": "bytes", "__value__": "\\ud800"}',
        b'{"__type__": "base64", "__value__": "a"}',
    ],
    ids=lambda data: repr(data[:45]),
)
def test_what_is_not_well_formed_is_a_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        JSON.loads(data)


@given(st.binary() | st.text().map(str.encode))
def test_loading_any_bytes_raises_decode_error_or_nothing(data: bytes) -> None:
    try:
        JSON.loads(data)
    except DecodeError:
        pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
marks = st.sampled_from(["datetime", "date", "time", "decimal", "uuid", "bytes", "base64", "nosuch"])


@given(st.fixed_dictionaries({"__type__": marks | json_values, "__value__": json_values}))
def test_loading_any_typed_value_raises_decode_error_or_nothing(value: Any) -> None:
    try:
        JSON.loads(json.dumps([value]).encode())
    except DecodeError:
        pass


def test_an_object_with_more_than_the_two_keys_is_no_typed_value() -> None:
    value = {"__type__": "nosuch", "__value__": 1, "more": 2}
    assert JSON.loads(JSON.dumps(value)) == value
    assert JSON.loads(b'{"__type__": "date"}') == {"__type__": "date"}


def test_a_number_beyond_floats_is_infinite_as_python_reads_it() -> None:
    assert JSON.loads(b"[1e400, -1e400]") == [math.inf, -math.inf]


def test_a_datetime_of_javascript_is_read() -> None:
    read = JSON.loads(b'{"__type__": "datetime", "__value__": "2026-11-21T01:02:03.000Z"}')
    assert read == dt.datetime(2026, 11, 21, 1, 2, 3, tzinfo=dt.UTC)
