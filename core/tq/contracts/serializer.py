"""The contract of a serializer: values to bytes and back, under one content type.

A serializer that can run code or build arbitrary objects while loading says `safe = False`; it is never used
for reading unless `accept_content` names it.

Two additions are looked for and not required: `Configurable`, for one that needs settings, and `CallSerializer`,
for one that wants to see the headers of a task message beside its body.
"""

from __future__ import annotations

from collections.abc import Mapping
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


class SettingsReader(Protocol):
    """The settings of an app, by name; `tq.config.Settings` and every mapping are such."""

    def __getitem__(self, name: str, /) -> Any: ...


@runtime_checkable
class Configurable(Protocol):
    """A serializer class that is made from settings; one without this is made without arguments.

    Its own settings are declared through the hook `tq_settings`.
    """

    @classmethod
    def configured(cls, settings: SettingsReader) -> Serializer:
        """Make one for an app. Raises `tq.ImproperlyConfigured`, naming the setting and the next step."""


@runtime_checkable
class CallSerializer(Protocol):
    """A serializer that writes and reads bodies of task messages otherwise than other values (results).

    For bodies of tasks these two are used in place of `dumps` and `loads`, and raise what those raise.
    """

    def dumps_call(self, value: Any, headers: dict[str, Any]) -> bytes:
        """Write the body that belongs to these headers; may add headers of its own."""

    def loads_call(self, data: bytes, headers: Mapping[str, Any]) -> Any:
        """Read a body that came with these headers."""
