"""The contract of a serializer: values to bytes and back, under one content type.

A serializer that can run code or build arbitrary objects while loading says `safe = False`; it is never used
for reading unless `accept_content` names it.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable


@runtime_checkable
class Serializer(Protocol):
    """`name` is what settings and `serializer=` say; the rest is what the message says."""

    api_version: ClassVar[int]
    name: ClassVar[str]
    content_type: ClassVar[str]
    content_encoding: ClassVar[str]
    safe: ClassVar[bool]

    def dumps(self, value: Any) -> bytes:
        """Write a value. Raises `tq.EncodeError`, naming the type that has no form here."""

    def loads(self, data: bytes) -> Any:
        """Read a value. Raises `tq.DecodeError` for anything that is not well-formed, and nothing else."""
