"""Messages that look like one that was read before: the same bytes but for ids and the like, which are picked out.

Reading a table of headers byte by byte takes longer than the body of a short task. But the messages of one task, sent
by one program, differ in texts of equal length at equal places. A `Form` knows these places of one message; another
one of the same length, whose bytes between them are the same, is read by taking it apart there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tq.records import Message, Undecodable
from tq.wire.arrived import Arrived, PlainHeaders, PlainProperties
from tq.wire.envelope import PARKED
from tq_amqp import messages
from tq_amqp.protocol.incoming import Incoming
from tq_amqp.protocol.properties import Place, places

_OF_HEADERS = frozenset({"id", "root_id", "parent_id", "group", "argsrepr", "kwargsrepr", "origin"})
_OF_PROPERTIES = frozenset({"correlation_id", "reply_to"})
"""What differs between messages of one task; properties come behind the headers."""
_FIELDS = PlainHeaders.__struct_fields__
_PER_LENGTH = 4
_TRIES = 400
"""How often a consumer may make a form: a kilobyte or two for each that is kept, and some µs."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[bytes, bytes, str, str, bool]).decode


class Form:
    """What one message has in common with others. Made by `form_of`."""

    def __init__(self, raw: bytes, message: Message, head: PlainHeaders, found: Iterable[Place]) -> None:
        chosen = sorted(found, key=lambda place: place.start)
        at, sizes = 0, []
        for place in chosen:
            sizes += [place.start - at, place.end - place.start]
            at = place.end
        layout = struct.Struct("".join(f"{size}s" for size in [*sizes, len(raw) - at]))
        self._unpack = layout.unpack
        self._constants = layout.unpack(raw)[::2]
        self._names = [place.name for place in chosen if place.name in _OF_HEADERS]
        self._others = [place.name for place in chosen if place.name in _OF_PROPERTIES]
        self._indexes = [_FIELDS.index(name) for name in self._names]
        self._head = [getattr(head, name) for name in _FIELDS]
        # Copies, for whoever has the message may change it; and without the body, which may be large.
        self._headers = message.headers.copy()
        self._copied = [name for name, value in message.headers.items() if isinstance(value, list | dict)]
        for name in self._copied:
            self._headers[name] = self._headers[name].copy()
        self._properties = message.properties.copy()
        self._priority = message.properties.get("priority")

    def read(self, incoming: Incoming) -> Known | None:
        """The message, if it is one of these."""
        parts = self._unpack(incoming.properties)
        if parts[::2] != self._constants:
            return None
        try:
            own = [str(part, "ascii") for part in parts[1::2]]
        except UnicodeDecodeError:
            return None
        head = self._head.copy()
        for index, text in zip(self._indexes, own, strict=False):
            head[index] = text
        others = dict(zip(self._others, own[len(self._names) :], strict=True))
        return Known(
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            incoming.body,
            "application/json",
            "utf-8",
            b"",
            PlainHeaders(*head),
            PlainProperties("base64", others.get("reply_to"), others.get("correlation_id"), self._priority),
            self,
            own,
            incoming,
        )

    def dictionaries(self, own: Sequence[str], incoming: Incoming) -> tuple[dict[str, Any], dict[str, Any]]:
        """Headers and properties of a message of this form, nothing in them shared with another."""
        headers = self._headers | dict(zip(self._names, own, strict=False))
        for name in self._copied:
            headers[name] = headers[name].copy()
        info = messages.delivery_info(incoming.exchange, incoming.key, incoming.again)
        others = dict(zip(self._others, own[len(self._names) :], strict=True))
        return headers, self._properties | {"delivery_info": info} | others


class Known(Arrived, frozen=True):
    """A message of a form."""

    form: Form | None = None
    own: Sequence[str] = ()
    incoming: Incoming | None = None

    def carried(self) -> bytes:
        came = self.incoming
        if came is None or not self.untouched:
            return b""
        return _encode((came.properties, came.body, came.exchange, came.key, came.again))

    def dictionaries(self) -> tuple[dict[str, Any], dict[str, Any]]:
        assert self.form is not None
        assert self.incoming is not None
        return self.form.dictionaries(self.own, self.incoming)


def read_again(raw: bytes) -> Message:
    """A message of a form that was `carried`."""
    properties, body, exchange, key, again = _decode(raw)
    message, _ = messages.read(Incoming("", 0, again, exchange, key, properties, body), key)
    assert isinstance(message, Message)
    return message


class Forms:
    """The forms that one consumer has met."""

    def __init__(self) -> None:
        self._known: dict[int, list[Form]] = {}
        self._tries = _TRIES

    def read(self, incoming: Incoming, queue: str) -> tuple[Message | Undecodable, dict[str, Any]]:
        """As `messages.read`."""
        length = len(incoming.properties)
        for form in self._known.get(length, ()):
            known = form.read(incoming)
            if known is not None:
                return known, {}
        message, added = messages.read(incoming, queue)
        if not added and isinstance(message, Message):
            self._learn(incoming, message, length)
        return message, added

    def _learn(self, incoming: Incoming, message: Message, length: int) -> None:
        here = self._known.get(length, [])
        if self._tries <= 0 or len(here) >= _PER_LENGTH:
            return
        self._tries -= 1
        form = form_of(incoming.properties, message)
        if form is not None:
            self._known[length] = [form, *here]


def form_of(raw: bytes, message: Message) -> Form | None:
    """The form of a message, whose properties are `raw`; None where it is not plain, or holds what must not be shared."""
    if (message.content_type, message.content_encoding) != ("application/json", "utf-8"):
        return None
    if (
        PARKED in message.properties
        or not _OF_PROPERTIES.isdisjoint(message.headers)
        or not all(map(_is_flat, message.headers.values()))
    ):
        return None
    try:
        head = msgspec.convert(message.headers, PlainHeaders)
    except (msgspec.ValidationError, UnicodeError, RecursionError):
        return None
    if head.stamps or head.stamped_headers is not None:
        return None
    found = [place for place in places(raw) if place.name in _OF_HEADERS | _OF_PROPERTIES]
    if not all(raw[place.start : place.end].isascii() for place in found):
        return None
    return Form(raw, message, head, found)


def _is_flat(value: Any) -> bool:
    if isinstance(value, list):
        return not any(isinstance(item, list | dict) for item in value)
    return not isinstance(value, dict) or not value
