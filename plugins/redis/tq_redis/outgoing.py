"""Messages on their way out: which list, how long they wait, and their bytes."""

from __future__ import annotations

import time

import msgspec

from tq.errors import EncodeError, PublishError
from tq.records import Envelope, Lock
from tq.wire.envelope import pack
from tq.wire.ids import new_id
from tq_redis.keys import Layout, QueueKeys

LARGEST = 512 * 1024 * 1024
"""Bytes of the largest string that Redis holds (`proto-max-bulk-len`)."""


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """One message, ready to be pushed."""

    keys: QueueKeys
    code: int
    delay_ms: int
    mark: str
    """The key that says that this task was published already; empty: it may be published again."""
    data: bytes
    lock: Lock | None = None

    @property
    def simple(self) -> bool:
        """Whether a push is all that it needs."""
        return not (self.code or self.delay_ms or self.mark or self.lock)

    @property
    def wake(self) -> str:
        """The channel to ring: the plain list and kombu's are watched as they are, and what is due later is
        looked at each second."""
        urgent = self.code and not self.delay_ms
        return self.keys.wake if urgent or 0 < self.delay_ms < 1000 else ""


class Outbox:
    """Prepares envelopes for one broker."""

    def __init__(self, layout: Layout, celery_workers: bool) -> None:
        self._layout = layout
        self._celery_workers = celery_workers

    def prepare(self, envelope: Envelope) -> Outgoing:
        """Raises `PublishError` for a message that cannot be written."""
        delays = envelope.delay > 0 and not self._celery_workers
        delay_ms = round(envelope.delay * 1000) if delays else 0
        try:
            # A Celery worker waits for the `eta` itself, so the message must not say that it has waited.
            data = pack(
                envelope,
                parked=False if self._celery_workers else None,
                ready_at=time.time() + max(0.0, envelope.delay),
            )
        except EncodeError as exc:
            raise PublishError(f"cannot publish to queue {envelope.queue!r}: {exc}") from exc
        if len(data) > LARGEST:
            raise PublishError(
                f"cannot publish to queue {envelope.queue!r}: the message has {len(data)} bytes, and Redis "
                f"holds at most {LARGEST}; store the data elsewhere and send a reference"
            )
        keys = self._layout.queue(envelope.queue)
        mark = keys.unique(str(envelope.message.headers.get("id"))) if envelope.unique else ""
        return Outgoing(keys, self._layout.code(envelope.priority), delay_ms, mark, data, envelope.lock)


def unique_texts(count: int) -> list[str]:
    """Texts that no other delayed message has, in this order."""
    stem = new_id()
    return [f"{stem}{number:06x}" for number in range(count)]
