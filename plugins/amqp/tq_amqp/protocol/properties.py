"""The properties of a message, as its header frame holds them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tq.errors import EncodeError
from tq_amqp.protocol.table import pack_table, places_of_texts, read_short, read_table, short

_FIELDS = (
    ("content_type", "s", 15),
    ("content_encoding", "s", 14),
    ("headers", "F", 13),
    ("delivery_mode", "o", 12),
    ("priority", "o", 11),
    ("correlation_id", "s", 10),
    ("reply_to", "s", 9),
    ("expiration", "s", 8),
    ("message_id", "s", 7),
    ("timestamp", "T", 6),
    ("type", "s", 5),
    ("user_id", "s", 4),
    ("app_id", "s", 3),
    ("cluster_id", "s", 2),
)
"""Name, type and bit of its flag; in the order of the wire."""
_PRESENT = tuple((name, kind, 1 << bit) for name, kind, bit in _FIELDS)
NAMES = frozenset(name for name, _, _ in _FIELDS)
_U64 = struct.Struct(">Q")
_FLAGS = struct.Struct(">H")


def pack_properties(properties: Mapping[str, Any]) -> bytes:
    """Write those of the properties that AMQP knows; None and unknown names are left out. Raises `EncodeError`."""
    flags = 0
    parts: list[bytes] = []
    for name, kind, bit in _FIELDS:
        value = properties.get(name)
        if value is None:
            continue
        flags |= 1 << bit
        if kind == "s":
            parts.append(short(value if isinstance(value, str) else str(value)))
        elif kind == "F":
            parts.append(pack_table(value))
        else:
            parts.append(_number(name, kind, value))
    return _FLAGS.pack(flags) + b"".join(parts)


def _number(name: str, kind: str, value: Any) -> bytes:
    try:
        return bytes((int(value),)) if kind == "o" else _U64.pack(int(value))
    except (ValueError, TypeError, struct.error) as exc:
        raise EncodeError(f"the property {name!r} of a message cannot be {value!r}") from exc


def read_properties(raw: bytes, at: int = 0) -> dict[str, Any]:
    """Read properties. Raises `ValueError`, `IndexError` or `struct.error` where they are malformed."""
    (flags,) = _FLAGS.unpack_from(raw, at)
    at += 2
    found: dict[str, Any] = {}
    for name, kind, flag in _PRESENT:
        if not flags & flag:
            continue
        if kind == "s":
            found[name], at = read_short(raw, at)
        elif kind == "F":
            found[name], at = read_table(raw, at)
        elif kind == "o":
            found[name] = raw[at]
            at += 1
        else:
            (found[name],) = _U64.unpack_from(raw, at)
            at += 8
    return found


class Place(NamedTuple):
    """Where the bytes of a text are, without its length."""

    name: str
    start: int
    end: int


def places(raw: bytes) -> Iterator[Place]:
    """Where the texts of properties, and of headers themselves, are. `raw` was read before, so it is not malformed."""
    (flags,) = _FLAGS.unpack_from(raw)
    at = 2
    for name, kind, flag in _PRESENT:
        if not flags & flag:
            continue
        start = at
        if kind == "s":
            at = start + 1 + raw[start]
            yield Place(name, start + 1, at)
        elif kind == "F":
            found, at = places_of_texts(raw, start)
            yield from (Place(*each) for each in found)
        else:
            at += 1 if kind == "o" else 8
