"""Locks of unique tasks: who may not be sent a second time, as two headers of the message.

The headers `unique_key` and `unique_for` are tq's own. A worker that does not know them leaves the lock to its time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tq.errors import InvalidTask, TaskLocked
from tq.options import mask_url
from tq.records import Envelope, Lock, Message
from tq.wire.arrived import Arrived

KEY: Final = "unique_key"
SECONDS: Final = "unique_for"
LONGEST: Final = 200
"""Bytes of a key, and of an owner's id."""
LONGEST_TIME: Final = 10 * 365 * 86400
"""Seconds."""

_encoder = msgspec.json.Encoder(order="deterministic")


def lock_key(task: str, args: Sequence[Any], kwargs: Mapping[str, Any], chosen: str | None) -> str:
    """The key of a call: its name, and what was `chosen` or else its arguments.

    Raises `InvalidTask` for arguments that have no such form.
    """
    if chosen is None:
        try:
            written = _encoder.encode((list(args), dict(kwargs)))
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as exc:
            raise InvalidTask(
                f"task {task!r}: unique_for cannot compare these arguments ({exc}); say unique_key='...'"
            ) from exc
        chosen = hashlib.sha256(written).hexdigest()[:40]
    key = f"{task}:{chosen}"
    return key if _fits(key) else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _fits(text: Any) -> bool:
    """Whether every store takes it as a key; what cannot be printed may be half a character."""
    return isinstance(text, str) and text.isprintable() and 0 < len(text.encode()) <= LONGEST


def lock_of(headers: Mapping[str, Any], owner: Any) -> Lock | None:
    """The lock of the task `owner` by the headers of its message, or None. Both come from outside and may be
    anything."""
    key, seconds = headers.get(KEY), headers.get(SECONDS)
    if not _fits(key) or not _fits(owner):
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= LONGEST_TIME:
        return None
    return Lock(str(key), str(owner), float(seconds))


def lock_in(message: Message) -> Lock | None:
    """The lock that a message keeps, or None."""
    # One that keeps a lock is not plain.
    return None if isinstance(message, Arrived) else lock_of(message.headers, message.headers.get("id"))


def locked(envelope: Envelope, owner: str, url: str) -> TaskLocked:
    """What a broker answers for a message whose lock another task has."""
    headers = envelope.message.headers
    return TaskLocked(
        f"task {headers.get('task')}[{headers.get('id')}] was not sent to queue {envelope.queue!r}: task {owner} with "
        "the same unique key waits or runs there",
        task_id=owner,
        url=mask_url(url),
    )
