"""The documents of messages, in the collection `<prefix>messages`. A document is in one state at a time (`s`):

    ready      waits; handed out by urgency `u` (9 - priority), then by order `o`
    delayed    becomes ready at `due`
    lent       held by consumer `c` under receipt `r`; `f` is the count of heartbeats for the first of a batch
    dead       a dead letter, with `why` and `died`
    staged     to be published by a settlement that is not decided; `txn` names it, `to` says what it becomes
    commit     a settled message whose settlement is decided: `plan` says what is left to do
    gone       a unique message that is done with; kept for a day as the mark that it was published

Each move is one update of one document. `q`: queue, `a`: attempt, `raw`: kombu's JSON envelope, `uid`: the id of
a unique message, which is also its `_id`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

from tq.errors import PublishError
from tq.records import Delivery, Envelope
from tq.wire.envelope import pack, unpack
from tq.wire.ids import new_id

DAY = 86400.0
LARGEST = 11 * 2**20
"""Bytes of a body, which lies in the envelope in base64: MongoDB keeps no document of more than 16 MB."""
_LARGEST_ENVELOPE = 16 * 2**20 - 2**16
_LAST = 2**63 - 1
"""The largest whole number of BSON: nanoseconds until the year 2262."""
Document = dict[str, Any]
ORDER = [("u", 1), ("o", 1), ("_id", 1)]
INDEXES: list[dict[str, Any]] = [
    {"keys": [("q", 1), ("s", 1), ("u", 1), ("o", 1), ("_id", 1)], "name": "waiting"},
    {"keys": [("s", 1), ("due", 1)], "name": "due", "partialFilterExpression": {"s": "delayed"}},
    {"keys": [("c", 1)], "name": "held", "sparse": True},
    {"keys": [("txn", 1)], "name": "txn", "sparse": True},
    {"keys": [("until", 1)], "name": "until", "sparse": True, "expireAfterSeconds": 0},
]
"""A message that waits is in the first of these alone: each entry is written, and removed again, for every message."""


def new_message(envelope: Envelope, now: float, number: int) -> Document:
    """The document of a new message. Raises `EncodeError` and `PublishError`."""
    raw = pack(envelope)
    if len(envelope.message.body) > LARGEST or len(raw) > _LARGEST_ENVELOPE:
        raise PublishError(
            f"the message has {len(raw)} bytes in its envelope, and MongoDB keeps no document of more than 16 MB (a body "
            f"of {LARGEST}): send less, or a reference to where it lies"
        )
    document: Document = {
        "_id": new_id(),
        "s": "ready",
        "q": envelope.queue,
        "u": 9 - min(max(envelope.priority or 0, 0), 9),
        "o": int(now * 1e9) + number,
        "a": 1,
        "raw": raw,
    }
    if envelope.delay > 0:
        document |= delayed(now + envelope.delay)
    if envelope.unique:
        task_id = str(envelope.message.headers.get("id"))
        document["uid"] = "u" + hashlib.sha256(task_id.encode("utf-8", "surrogatepass")).hexdigest()
    return document


def own_id(document: Document) -> Document:
    """A unique message under its own id, so that it is there once."""
    return {**document, "_id": document["uid"]} if "uid" in document else document


def delayed(due: float) -> Document:
    """What makes a message wait until `due` (unix seconds), and take its place among others then."""
    return {"s": "delayed", "due": due, "o": min(int(due * 1e9), _LAST)}


def delivery_of(document: Document, receipt: int) -> Delivery:
    """The delivery of a document that was lent."""
    raw = bytes(document["raw"])
    return Delivery(unpack(raw), document["q"], receipt, document["a"], len(raw))


def gone(now: float, by: str = "") -> Document:
    """The update that ends a unique message; the mark stays for a day."""
    until = dt.datetime.fromtimestamp(now + DAY, dt.UTC)
    return {
        "$set": {"s": "gone", "by": by, "until": until},
        "$unset": dict.fromkeys(("raw", "c", "r", "f", "q", "txn", "plan"), ""),
    }


RETURNED: Document = dict.fromkeys(("c", "r", "f"), "")
"""What a message loses that is no longer lent."""
