"""Messages as they come out of a store: what a worker needs of them is typed at once, the rest when somebody looks.

Nearly every message is plain: nothing in it is of an odd type, compressed, or under a lock. Such a one is decoded
straight into records, which costs a third of what its dictionaries and the checks of them cost. All others are read the long way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from tq.records import Message
from tq.wire.call import MAX_NAME, TaskCall
from tq.wire.fields import Headers

_Address = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]


class PlainHeaders(Headers, frozen=True):
    """The headers of a plain message: a value in one of the last three makes it another."""

    shadow: str | None = None
    argsrepr: str | None = None
    kwargsrepr: str | None = None
    origin: str | None = None
    compression: None = None
    unique_key: None = None
    unique_for: None = None


class PlainProperties(
    msgspec.Struct, frozen=True, gc=False, rename={"reply_camel": "replyTo", "id_camel": "correlationId"}
):
    """The properties of a plain message; some writers spell two of them otherwise."""

    body_encoding: Literal["base64"]
    reply_to: _Address | None = None
    correlation_id: _Address | None = None
    priority: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    reply_camel: None = None
    id_camel: None = None


class _Plain(
    msgspec.Struct,
    frozen=True,
    rename={"content_encoding": "content-encoding", "content_type": "content-type"},
):
    body: bytes
    content_encoding: str
    content_type: str
    headers: PlainHeaders
    properties: PlainProperties


class _Dictionaries(msgspec.Struct, frozen=True):
    headers: dict[str, Any]
    properties: dict[str, Any]


_decode = msgspec.json.Decoder(_Plain).decode
_decode_dictionaries = msgspec.json.Decoder(_Dictionaries).decode
_NO_HEADERS = PlainHeaders("", "")
_NO_PROPERTIES = PlainProperties("base64")
# The fields that the two records below inherit keep what was made once.
_headers: Final[Any] = Message.headers
_properties: Final[Any] = Message.properties
_headers_of_call: Final[Any] = TaskCall.headers


class Arrived(Message, frozen=True):
    """A plain message, `raw` in its store. `headers` and `properties` are made of it when they are asked for, and may be
    changed from then on."""

    raw: bytes = b""
    head: PlainHeaders = _NO_HEADERS
    given: PlainProperties = _NO_PROPERTIES

    @property  # type: ignore[misc]
    def headers(self) -> dict[str, Any]:
        """All headers."""
        found: dict[str, Any] = _headers.__get__(self)
        return self._keep()[0] if found is None else found

    @property  # type: ignore[misc]
    def properties(self) -> dict[str, Any]:
        """All properties."""
        found: dict[str, Any] = _properties.__get__(self)
        return self._keep()[1] if found is None else found

    def dictionaries(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Headers and properties, made anew; for drivers whose store has another form of them than JSON to override."""
        made = _read_dictionaries(self)
        return made.headers, made.properties

    def carried(self) -> bytes:
        """What another process of this worker can read it from again: by `arrive`, or by `Broker.read_again` where a
        driver has overridden this. Empty for one that may have been changed since."""
        return self.raw if self.untouched else b""

    @property
    def untouched(self) -> bool:
        """Whether nobody has asked for its dictionaries yet."""
        return _headers.__get__(self) is None

    def _keep(self) -> tuple[dict[str, Any], dict[str, Any]]:
        made = self.dictionaries()
        _headers.__set__(self, made[0])
        _properties.__set__(self, made[1])
        return made


class ArrivedCall(TaskCall, frozen=True):
    """A call that was read from a plain message."""

    message: Arrived | None = None

    @property  # type: ignore[misc]
    def headers(self) -> Mapping[str, Any]:
        """All headers of the message, or those that took their place."""
        found: Mapping[str, Any] = _headers_of_call.__get__(self)
        return self.message.headers if found is None and self.message is not None else found


def arrive(raw: bytes) -> Arrived:
    """Read the JSON envelope of a plain message. Raises `ValueError` or `RecursionError` for any other."""
    read = _decode(raw)
    if not raw.isascii():
        raw.decode()  # What was skipped was not looked at.
    return Arrived(
        None,  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        read.body,
        read.content_type,
        read.content_encoding,
        raw,
        read.headers,
        read.properties,
    )


def whole(message: Message) -> Message:
    """All of a message, in a record that has its dictionaries."""
    return Message(
        message.headers, message.properties, message.body, message.content_type, message.content_encoding
    )


def _read_dictionaries(message: Arrived) -> _Dictionaries:
    try:
        return _decode_dictionaries(message.raw)
    except (msgspec.DecodeError, RecursionError):
        return _read_slowly(message)


def _read_slowly(message: Arrived) -> _Dictionaries:
    """By the standard library, whose numbers have no bounds."""
    try:
        return msgspec.convert(json.loads(message.raw), _Dictionaries)
    except (ValueError, RecursionError):
        # Nests too deeply to be read from where we are.
        return _Dictionaries(msgspec.to_builtins(message.head), msgspec.to_builtins(message.given))
