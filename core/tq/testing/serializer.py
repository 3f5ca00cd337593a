"""`SerializerConformance`: the tests of every serializer plugin."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tq.contracts.serializer import Serializer
from tq.errors import DecodeError, EncodeError
from tq.testing.threads import at_once

_TRIES = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)

PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=5)
    ),
    max_leaves=20,
)
"""What every serializer must carry: what JSON can say."""


class _NoFormAnywhere:
    """Refuses to be written, by pickle as well."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("this object has no serialised form")


class SerializerConformance:
    """Inherit and set `serializer_class`.

    `values` is a hypothesis strategy of more values that must come back equal; `garbage` holds bytes that
    are not well-formed.
    """

    serializer_class: ClassVar[type[Serializer]]
    values: ClassVar[st.SearchStrategy[Any]] = st.nothing()
    garbage: ClassVar[tuple[bytes, ...]] = ()
    depth: ClassVar[int] = 50
    """Nested lists that must be carried."""

    @pytest.fixture
    def serializer(self) -> Serializer:
        return self.serializer_class()

    def test_it_names_itself_its_content_type_and_its_encoding(self, serializer: Serializer) -> None:
        assert isinstance(serializer, Serializer)
        assert serializer.name and serializer.name == serializer.name.strip().lower()
        main, slash, sub = serializer.content_type.partition("/")
        assert main and slash and sub, "a content type looks like application/x-name"
        assert serializer.content_type.isascii() and " " not in serializer.content_type
        assert serializer.content_encoding in {"utf-8", "us-ascii", "binary"}

    def test_it_says_whether_reading_is_safe(self) -> None:
        assert isinstance(self.serializer_class.safe, bool)
        assert self.serializer_class.api_version == 1

    @_TRIES
    @given(data=st.data())
    def test_what_json_can_say_comes_back_equal(self, serializer: Serializer, data: st.DataObject) -> None:
        value = data.draw(PLAIN)
        assert serializer.loads(serializer.dumps(value)) == value

    @_TRIES
    @given(data=st.data())
    def test_its_own_values_come_back_equal(self, serializer: Serializer, data: st.DataObject) -> None:
        if self.values.is_empty:
            return
        value = data.draw(self.values)
        assert serializer.loads(serializer.dumps(value)) == value

    @pytest.mark.parametrize("value", [None, True, False, 0, "", [], {}], ids=repr)
    def test_empty_values_keep_their_type(self, serializer: Serializer, value: Any) -> None:
        back = serializer.loads(serializer.dumps(value))
        assert (type(back), back) == (type(value), value)

    def test_it_writes_bytes(self, serializer: Serializer) -> None:
        assert type(serializer.dumps([[1], {"k": "größe"}, {}])) is bytes

    def test_bytes_of_a_text_encoding_are_text(self, serializer: Serializer) -> None:
        if serializer.content_encoding == "binary":
            pytest.skip(f"{serializer.name} writes binary")
        serializer.dumps({"k": "größe 任务 🐇 \x00"}).decode(serializer.content_encoding)

    def test_nested_values_come_back_equal(self, serializer: Serializer) -> None:
        value: Any = "inside"
        for _ in range(self.depth):
            value = [value]
        assert serializer.loads(serializer.dumps(value)) == value

    def test_a_value_that_is_nested_without_end_is_an_encode_error(self, serializer: Serializer) -> None:
        value: list[Any] = []
        value.append(value)
        try:
            written = serializer.dumps(value)
        except EncodeError:
            return
        back = serializer.loads(written)
        assert back[0] is back, "a list that holds itself was written as something else"

    def test_a_value_without_a_form_is_an_encode_error_that_names_its_type(
        self, serializer: Serializer
    ) -> None:
        with pytest.raises(EncodeError):
            serializer.dumps({"k": [_NoFormAnywhere()]})

    @_TRIES
    @given(raw=st.binary(max_size=200))
    def test_random_bytes_are_read_or_are_a_decode_error(self, serializer: Serializer, raw: bytes) -> None:
        reads_or_refuses(serializer, raw)

    @_TRIES
    @given(data=st.data())
    def test_damaged_bytes_are_read_or_are_a_decode_error(
        self, serializer: Serializer, data: st.DataObject
    ) -> None:
        written = serializer.dumps(data.draw(PLAIN))
        at = data.draw(st.integers(0, len(written)))
        damage = data.draw(st.binary(max_size=3))
        reads_or_refuses(serializer, written[:at] + damage + written[at + len(damage) :])
        reads_or_refuses(serializer, written[:at])

    def test_no_bytes_are_a_decode_error(self, serializer: Serializer) -> None:
        with pytest.raises(DecodeError):
            serializer.loads(b"")

    def test_what_is_not_well_formed_is_a_decode_error(self, serializer: Serializer) -> None:
        for raw in self.garbage:
            with pytest.raises(DecodeError):
                serializer.loads(raw)

    @pytest.mark.parametrize("raw", [b"[" * 200_000, b"\x91" * 200_000, b"(" * 200_000])
    def test_deep_nesting_is_read_or_is_a_decode_error(self, serializer: Serializer, raw: bytes) -> None:
        reads_or_refuses(serializer, raw)

    def test_a_safe_serializer_runs_no_code_while_reading(self, serializer: Serializer) -> None:
        """Documents that make pickle and YAML call a function must not do so here."""
        called = _Trap.calls
        for raw in _Trap.documents():
            reads_or_refuses(serializer, raw)
        assert not self.serializer_class.safe or called == _Trap.calls, (
            "reading called a function: safe is untrue"
        )

    def test_it_can_be_used_by_many_threads(self, serializer: Serializer) -> None:
        def work() -> None:
            for number in range(200):
                value = {"n": number, "list": ["x" * number, None]}
                assert serializer.loads(serializer.dumps(value)) == value

        at_once([work] * 4)


class _Trap:
    """Counts how often a document made its reader call `spring`."""

    calls: ClassVar[int] = 0

    @staticmethod
    def documents() -> list[bytes]:
        here = __name__.encode()
        return [
            b"c" + here + b"\nspring\n(tR.",
            b"!!python/object/apply:" + here + b".spring []\n",
            b'{"py/object": "'
            + here
            + b'.spring", "py/reduce": [{"py/function": "'
            + here
            + b'.spring"}, []]}',
        ]


def spring() -> None:
    """Must never be called by reading a document."""
    _Trap.calls += 1


def reads_or_refuses(serializer: Serializer, raw: bytes) -> None:
    """`loads` returns something or raises `DecodeError`; no other error leaves it."""
    try:
        serializer.loads(raw)
    except DecodeError:
        return
