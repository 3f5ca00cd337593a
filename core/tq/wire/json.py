"""The JSON serializer, in the dialect of kombu: what JSON lacks travels as `{"__type__", "__value__"}`.

Typed values are datetime, date, time, decimal, uuid, bytes (text in UTF-8) and base64 (all other bytes).
Tuples become lists, keys that are numbers, booleans or None become text, NaN and infinities keep Python's
names for them. Source: kombu 5.7, `kombu.utils.json`.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import sys
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from tq.errors import DecodeError, EncodeError
from tq.wire.saferepr import saferepr

_SCALARS = frozenset({str, int, bool, type(None)})
_MOST = 500
"""Characters of an error that may quote what was read."""


class JsonSerializer:
    """`json`, the default serializer. Thread-safe, without state."""

    api_version: ClassVar[int] = 1
    name: ClassVar[str] = "json"
    content_type: ClassVar[str] = "application/json"
    content_encoding: ClassVar[str] = "utf-8"
    safe: ClassVar[bool] = True

    def dumps(self, value: Any) -> bytes:
        """Write a value as UTF-8 JSON. Raises `EncodeError`, naming the type that has no form here."""
        try:
            return _encode_plain(value) if is_plain(value) else _dump_typed(value)
        except (UnicodeError, RecursionError):
            # Lone surrogates have an escaped form, and that encoder words the error for cycles.
            return _dump_typed(value)

    def loads(self, data: bytes) -> Any:
        """Read JSON. Raises `DecodeError` for anything that is not well-formed, or an unknown `__type__`."""
        try:
            return _load_typed(data) if b"__type__" in data else _decode_plain(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            # Python's own writers produce NaN and lone surrogates; only that reader knows them.
            return _load_typed(data)


def _dump_typed(value: Any) -> bytes:
    try:
        return _encode_typed(value).encode("ascii")
    except RecursionError as exc:
        raise EncodeError("the value holds itself or is nested too deeply for JSON") from exc
    except Exception as exc:  # `__json__` and tzinfo are the user's code and may raise anything
        raise EncodeError(f"cannot write the value as JSON: {exc}") from exc


def _load_typed(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"), object_hook=_read_typed)
    except RecursionError as exc:
        raise DecodeError("the JSON is nested too deeply") from exc
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as exc:
        raise DecodeError(f"not readable as JSON: {str(exc)[:_MOST]}") from exc


def is_plain(value: Any) -> bool:
    """Whether msgspec writes exactly what kombu would.

    msgspec has silent forms of its own for sets, datetimes, enums, dataclasses and NaN, and no hook sees
    them; so only exact types pass, all others go to the slower encoder.
    """
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is float:
        return bool(value - value == 0)  # false for NaN and the infinities
    if kind is list or kind is tuple:
        for item in value:
            if type(item) not in _SCALARS and not is_plain(item):
                return False
        return True
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or (type(item) not in _SCALARS and not is_plain(item)):
                return False
        return True
    return False


def _write_typed(value: Any) -> Any:
    """The form of a value that JSON has no type for; objects may bring their own by `__json__()`."""
    own_form = getattr(value, "__json__", None)
    if own_form is not None:
        return own_form()
    if isinstance(value, _django_promise()):
        return str(value)
    for kind, (mark, write) in _WRITERS.items():
        if isinstance(value, kind):
            return {"__type__": mark, "__value__": write(value)}
    if isinstance(value, bytes):
        return _write_bytes(value)
    name = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise TypeError(f"{name} has no JSON form; convert it first, or give its class a method __json__()")


def _write_bytes(value: bytes) -> dict[str, str]:
    try:
        return {"__type__": "bytes", "__value__": value.decode("utf-8")}
    except UnicodeDecodeError:
        return {"__type__": "base64", "__value__": base64.b64encode(value).decode("ascii")}


def _django_promise() -> tuple[type, ...]:
    """Django's lazy texts, without importing Django for those who do not use it."""
    module = sys.modules.get("django.utils.functional")
    promise = getattr(module, "Promise", None)
    return (promise,) if isinstance(promise, type) else ()


def _read_typed(found: dict[str, Any]) -> Any:
    if len(found) != 2 or "__type__" not in found or "__value__" not in found:
        return found
    mark = found["__type__"]
    read = _READERS.get(mark)
    if read is None:
        raise ValueError(f"unknown __type__ {saferepr(mark, 100)}; known: {', '.join(_READERS)}")
    return read(found["__value__"])


# A datetime is also a date, so it comes first.
_WRITERS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    dt.datetime: ("datetime", dt.datetime.isoformat),
    dt.date: ("date", dt.date.isoformat),
    dt.time: ("time", dt.time.isoformat),
    Decimal: ("decimal", str),
    uuid.UUID: ("uuid", lambda value: {"hex": value.hex}),
}
_READERS: dict[str, Callable[[Any], Any]] = {
    "datetime": dt.datetime.fromisoformat,
    "date": lambda text: dt.datetime.fromisoformat(text).date(),
    "time": dt.time.fromisoformat,
    "decimal": Decimal,
    "uuid": lambda fields: uuid.UUID(**fields),
    "bytes": lambda text: text.encode("utf-8"),
    "base64": lambda text: base64.b64decode(text.encode("utf-8")),
}
_encode_plain = msgspec.json.Encoder().encode
_encode_typed = json.JSONEncoder(default=_write_typed, separators=(",", ":")).encode
_decode_plain = msgspec.json.Decoder().decode
