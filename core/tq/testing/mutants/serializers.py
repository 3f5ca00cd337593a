"""Serializers that are wrong on purpose."""

from __future__ import annotations

import json
import pickle
from typing import Any, ClassVar

from tq.errors import DecodeError, EncodeError
from tq.wire.json import JsonSerializer


class SerializerMutant(JsonSerializer):
    """A JSON serializer with a flaw."""

    caught_by: ClassVar[str]
    """The test of `SerializerConformance` that must fail."""


class CallsPickleSafe(SerializerMutant):
    """Runs what a document asks for, and says that it does not."""

    caught_by = "test_a_safe_serializer_runs_no_code_while_reading"

    def dumps(self, value: Any) -> bytes:
        try:
            return pickle.dumps(value)
        except Exception as exc:
            raise EncodeError(str(exc)) from exc

    def loads(self, data: bytes) -> Any:
        try:
            return pickle.loads(data)
        except Exception as exc:
            raise DecodeError(str(exc)) from exc


class LeaksForeignErrors(SerializerMutant):
    """Lets the errors of its library out."""

    caught_by = "test_no_bytes_are_a_decode_error"

    def loads(self, data: bytes) -> Any:
        return json.loads(data)


class WritesText(SerializerMutant):
    """Returns text where bytes are due."""

    caught_by = "test_it_writes_bytes"

    def dumps(self, value: Any) -> bytes:
        return super().dumps(value).decode()  # type: ignore[return-value]


class LosesEmptyValues(SerializerMutant):
    """Takes everything that is false for None."""

    caught_by = "test_empty_values_keep_their_type[0]"

    def dumps(self, value: Any) -> bytes:
        return super().dumps(value or None)


class WritesWhatHasNoForm(SerializerMutant):
    """Puts the repr of an object into the document, where nobody can read it back."""

    caught_by = "test_a_value_without_a_form_is_an_encode_error_that_names_its_type"

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value, default=repr).encode()


SERIALIZERS: tuple[type[SerializerMutant], ...] = tuple(SerializerMutant.__subclasses__())
"""All of them."""
