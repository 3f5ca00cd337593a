"""Tables of AMQP 0-9-1: what message headers and arguments of queues are written in.

Types as RabbitMQ and py-amqp use them. Source: AMQP 0-9-1 with RabbitMQ's errata, and py-amqp 5.4.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from tq.errors import EncodeError

_U32 = struct.Struct(">I")
_I32 = struct.Struct(">i")
_I64 = struct.Struct(">q")
_F64 = struct.Struct(">d")
_READERS = {
    ord("b"): struct.Struct(">b"),
    ord("B"): struct.Struct(">B"),
    ord("s"): struct.Struct(">h"),
    ord("U"): struct.Struct(">h"),
    ord("u"): struct.Struct(">H"),
    ord("I"): _I32,
    ord("i"): _U32,
    ord("l"): _I64,
    ord("L"): _I64,
    ord("f"): struct.Struct(">f"),
    ord("d"): _F64,
}
_DEEPEST = 100


def short(text: str) -> bytes:
    """A short string. Raises `EncodeError` above 255 bytes."""
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > 255:
        raise EncodeError(
            f"AMQP takes at most 255 bytes for a name or property, and {text[:40]!r}... has {len(raw)}"
        )
    return bytes((len(raw),)) + raw


_short_key = lru_cache(1024)(short)


def pack_table(table: Mapping[str, Any], depth: int = 0) -> bytes:
    """Write a table. Raises `EncodeError` for what AMQP has no type for."""
    parts: list[bytes] = []
    # As in `read_table`: nearly all are texts, nulls or small numbers.
    for key, value in table.items():
        if not isinstance(key, str):
            raise EncodeError(f"a key of an AMQP table is text, not {type(key).__name__}")
        parts.append(_short_key(key))
        if value is None:
            parts.append(b"V")
        elif type(value) is str:
            text = value.encode("utf-8", "surrogatepass")
            parts += (b"S", _U32.pack(len(text)), text)
        else:
            parts.append(_pack(value, depth))
    raw = b"".join(parts)
    return _U32.pack(len(raw)) + raw


def _pack(value: Any, depth: int) -> bytes:
    if value is None:
        return b"V"
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogatepass")
        return b"S" + _U32.pack(len(raw)) + raw
    if isinstance(value, bool):
        return b"t\x01" if value else b"t\x00"
    if isinstance(value, int):
        return _pack_int(value)
    if isinstance(value, float):
        return b"d" + _F64.pack(value)
    return _pack_other(value, depth + 1)


def _pack_int(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"I" + _I32.pack(value)
    if -(2**63) <= value < 2**63:
        return b"l" + _I64.pack(value)
    raise EncodeError(f"AMQP has no integer as large as {value}")


def _pack_other(value: Any, depth: int) -> bytes:
    if depth > _DEEPEST:
        raise EncodeError(f"a header is nested more than {_DEEPEST} levels deep")
    if isinstance(value, Mapping):
        return b"F" + pack_table(value, depth)
    if isinstance(value, list | tuple):
        raw = b"".join(_pack(item, depth) for item in value)
        return b"A" + _U32.pack(len(raw)) + raw
    if isinstance(value, bytes | bytearray):
        return b"x" + _U32.pack(len(value)) + bytes(value)
    if isinstance(value, dt.datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return b"T" + _I64.pack(int(moment.timestamp()))
    raise EncodeError(f"AMQP has no type for a header of type {type(value).__name__}")


def read_short(raw: bytes, at: int) -> tuple[str, int]:
    """A short string, and where it ends."""
    end = at + 1 + raw[at]
    return _decoded(raw[at + 1 : end]), end


def read_table(raw: bytes, at: int) -> tuple[dict[str, Any], int]:
    """A table, and where it ends. Raises `ValueError`, `IndexError` or `struct.error` for anything else."""
    (size,) = _U32.unpack_from(raw, at)
    at += 4
    end = at + size
    if end > len(raw):
        raise ValueError("a table is cut off")
    table: dict[str, Any] = {}
    # A message of a task has some twenty headers, nearly all of them texts, nulls or small numbers: without a call each.
    while at < end:
        start = at + 1
        at = start + raw[at]
        key = _key(raw[start:at])
        kind = raw[at]
        if kind == 86:  # V
            table[key] = None
            at += 1
        elif kind == 83:  # S
            start = at + 5
            at = start + _U32.unpack_from(raw, at + 1)[0]
            table[key] = _text(raw[start:at])
        elif kind == 73:  # I
            (table[key],) = _I32.unpack_from(raw, at + 1)
            at += 5
        else:
            table[key], at = _read(raw, at)
    return table, at


def places_of_texts(raw: bytes, at: int) -> tuple[list[tuple[str, int, int]], int]:
    """Key, start and end of each text in a table that was read before, and where the table ends."""
    end = at + 4 + _U32.unpack_from(raw, at)[0]
    at += 4
    found: list[tuple[str, int, int]] = []
    while at < end:
        key, at = read_short(raw, at)
        kind = raw[at]
        _, after = _read(raw, at)
        if kind == 83:  # S
            found.append((key, at + 5, after))
        at = after
    return found, end


def _read(raw: bytes, at: int) -> tuple[Any, int]:
    kind = raw[at]
    at += 1
    if kind == 83:  # S
        (size,) = _U32.unpack_from(raw, at)
        at += 4
        return _text(raw[at : at + size]), at + size
    if kind == 86:  # V
        return None, at
    number = _READERS.get(kind)
    if number is not None:
        return number.unpack_from(raw, at)[0], at + number.size
    return _read_other(kind, raw, at)


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()  # several times as fast as with a handler of errors
    except UnicodeDecodeError:
        return raw.decode("utf-8", "surrogatepass")


_key = lru_cache(1024)(_decoded)


def _text(raw: bytes) -> str | bytes:
    try:
        return _decoded(raw)
    except UnicodeDecodeError:
        return raw


def _read_other(kind: int, raw: bytes, at: int) -> tuple[Any, int]:
    if kind == ord("t"):
        return raw[at] != 0, at + 1
    if kind == ord("F"):
        return read_table(raw, at)
    if kind == ord("A"):
        (size,) = _U32.unpack_from(raw, at)
        at += 4
        end, items = at + size, []
        while at < end:
            item, at = _read(raw, at)
            items.append(item)
        return items, at
    if kind == ord("x"):
        (size,) = _U32.unpack_from(raw, at)
        return raw[at + 4 : at + 4 + size], at + 4 + size
    if kind == ord("T"):
        (seconds,) = _I64.unpack_from(raw, at)
        return dt.datetime.fromtimestamp(seconds, dt.UTC), at + 8
    if kind == ord("D"):
        (digits,) = _I32.unpack_from(raw, at + 1)
        return float(Decimal(digits).scaleb(-raw[at])), at + 5
    raise ValueError(f"no AMQP type {kind:#x}")
