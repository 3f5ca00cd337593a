"""Stamps: headers that a caller gave to tasks so that they can be revoked together.

Source: Celery 5.7: a message carries `stamps`, a mapping of header to a value or a list of values, and
`stamped_headers`, their names. A revocation by stamp travels under a text in place of the task's id, so every
broker that keeps revocations keeps these too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

_PREFIX = "stamp:"
_LONGEST = 200
"""Bytes of a text that every store takes where it takes an id."""


def stamp_key(header: str, value: Any) -> str:
    """The text that stands for "all tasks with this value under this header"; values compare as text."""
    text = msgspec.json.encode((header, str(value))).decode()
    if len(text.encode()) > _LONGEST:
        text = hashlib.sha256(text.encode()).hexdigest()
    return _PREFIX + text


def stamp_keys(stamps: Any) -> list[str]:
    """The texts of all stamps of a message, or of all pairs that are to be revoked: `{"tenant": ["a", "b"]}`.

    What is no mapping has none: messages come from outside.
    """
    if not isinstance(stamps, Mapping):
        return []
    return [stamp_key(str(header), value) for header, values in stamps.items() for value in _each(values)]


def _each(values: Any) -> tuple[Any, ...]:
    return tuple(values) if isinstance(values, (list, tuple, set, frozenset)) else (values,)
