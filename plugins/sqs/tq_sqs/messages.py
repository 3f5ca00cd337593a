"""Messages as they lie in SQS: Celery's body, and what tq notes beside it.

The body is base64 of kombu's JSON envelope (whose own `body` is base64 again), or the JSON itself. Source: kombu 5.7,
`kombu.transport.SQS.Channel._put` and `_decode_python_message_body`. Message attributes, which Celery leaves alone:

tq-delay     seconds after SQS accepted the message before which it must not run; for delays above 900 s
tq-attempt   attempts that were charged before this copy was made, plus one; it marks what must run alone
tq-reason    why a dead letter died
tq-queue     the queue that a dead letter came from
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tq.records import Envelope, Message, Undecodable
from tq.wire.envelope import pack, unpack
from tq.wire.ids import new_id

DELAY = "tq-delay"
ATTEMPT = "tq-attempt"
REASON = "tq-reason"
QUEUE = "tq-queue"
LONGEST_DELAY = 900
"""Seconds that SQS itself can delay a message."""
LARGEST = 1_048_576
"""Bytes of one message with its attributes, and of one batch."""
PER_BATCH = 10
_MOST_ATTRIBUTES = 10
_DELAY_SIZE = 64
"""Bytes that `tq-delay` takes, at most."""
_DEFAULT_GROUP = "default"
_GROUP = "MessageGroupId"
_DEDUPLICATION = "MessageDeduplicationId"

Attributes = dict[str, dict[str, Any]]


class Parcel(msgspec.Struct, frozen=True):
    """One message on its way to SQS. `delay` may be longer than what SQS can do."""

    body: str
    attributes: Attributes = {}
    delay: float = 0.0
    group: str = ""
    deduplication: str = ""

    @property
    def size(self) -> int:
        """Bytes as SQS counts them."""
        return len(self.body.encode()) + sum(_size(*each) for each in self.attributes.items())

    def entry(self, number: int, *, fifo: bool) -> dict[str, Any]:
        """The entry of a batch request."""
        attributes = {name: value for name, value in self.attributes.items() if name != DELAY}
        entry: dict[str, Any] = {"Id": str(number), "MessageBody": self.body}
        if self.delay > 0 and not fifo:
            entry["DelaySeconds"] = min(LONGEST_DELAY, math.ceil(self.delay))
        if self.delay > (0 if fifo else LONGEST_DELAY):
            attributes[DELAY] = number_attribute(self.delay)
        if attributes:
            entry["MessageAttributes"] = attributes
        if self.group or fifo:
            entry[_GROUP] = self.group or _DEFAULT_GROUP
        if fifo:
            entry[_DEDUPLICATION] = self.deduplication or new_id()
        return entry


def parcel_of(envelope: Envelope, *, base64_body: bool) -> Parcel:
    """The parcel of an envelope. Raises `EncodeError`.

    The group of a FIFO queue, or of a fair one, is the property or header `MessageGroupId`, as with Celery; with
    `unique` the task's id is what duplicates are found by.
    """
    message = envelope.message
    raw = pack(envelope)
    body = base64.b64encode(raw).decode() if base64_body else raw.decode()
    task_id = str(message.headers.get("id", "")) if envelope.unique else ""
    return Parcel(
        body,
        delay=max(0.0, envelope.delay),
        group=group_of(message),
        deduplication=_named(message, _DEDUPLICATION) or task_id,
    )


def group_of(message: Message) -> str:
    """The group that a message asks for, or empty."""
    return _named(message, _GROUP)


def _named(message: Message, name: str) -> str:
    return str(message.properties.get(name, message.headers.get(name)) or "")


def fitting(body: str, own: Attributes, others: Attributes) -> Attributes:
    """As many of these attributes as SQS takes beside a body and a delay, `own` first. What others sent may have as many, and
    be as long, as SQS allows: a copy that says one thing more would be refused, now and ever."""
    found: Attributes = {}
    room = LARGEST - _DELAY_SIZE - len(body.encode())
    for name, value in {**own, **others}.items():
        size = _size(name, value)
        if size <= room and len(found) < _MOST_ATTRIBUTES - 1:
            found[name] = value
            room -= size
    return found


def _size(name: str, value: dict[str, Any]) -> int:
    texts = (name, str(value.get("DataType", "")), str(value.get("StringValue", "")))
    return sum(len(text.encode()) for text in texts) + len(value.get("BinaryValue", b""))


def raw_of(body: str) -> bytes:
    """The envelope's bytes in a body: base64 or as they are."""
    if not body.lstrip().startswith("{"):
        try:
            return binascii.a2b_base64(body.strip(), strict_mode=True)
        except (binascii.Error, ValueError):
            return body.encode("utf-8", "surrogatepass")
    return body.encode("utf-8", "surrogatepass")


def read(body: str) -> tuple[Message | Undecodable, int]:
    """The message in a body, and its size."""
    raw = raw_of(body)
    return unpack(raw), len(raw)


def number_attribute(value: float) -> dict[str, Any]:
    """A message attribute that holds a number."""
    return {"DataType": "Number", "StringValue": f"{value:.3f}".rstrip("0").rstrip(".")}


def text_attribute(value: str) -> dict[str, Any]:
    """A message attribute that holds text; what XML has no form for is replaced."""
    legal = "".join(c if c in "\t\n\r" or " " <= c <= "\ud7ff" or c >= "\ue000" else "?" for c in value)
    return {"DataType": "String", "StringValue": legal.replace("\ufffe", "?").replace("\uffff", "?")}


def number_in(message: dict[str, Any], name: str, default: float) -> float:
    """The number in a message attribute of a received message."""
    try:
        return float(message.get("MessageAttributes", {})[name]["StringValue"])
    except (KeyError, ValueError):
        return default


def attributes_of(message: dict[str, Any]) -> Attributes:
    """The message attributes of a received message, in the form in which they are sent."""
    return {
        name: {key: value[key] for key in ("DataType", "StringValue", "BinaryValue") if key in value}
        for name, value in message.get("MessageAttributes", {}).items()
    }


def batches(sizes: Sequence[int]) -> Iterator[range]:
    """Cut items of these sizes into batches of at most 10 and 1 MiB."""
    start = total = 0
    for at, size in enumerate(sizes):
        if at > start and (at - start == PER_BATCH or total + size > LARGEST):
            yield range(start, at)
            start, total = at, 0
        total += size
    if start < len(sizes):
        yield range(start, len(sizes))
