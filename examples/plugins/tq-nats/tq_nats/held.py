"""What one consumer holds: messages that are lent to it, and how long the server believes in that."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable

import msgspec
from nats.aio.client import Client

_REMEMBERED = 10_000


class Lent(msgspec.Struct, frozen=True):
    """One message. Its `receipt` is the subject that its acknowledgement goes to."""

    receipt: str
    queue: str
    raw: bytes


class Held:
    """Thread-safe: one thread receives and settles, another one keeps the leases."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._lock = threading.Lock()
        self._lent: dict[str, Lent] = {}
        self._until: dict[str, float] = {}
        self._done: OrderedDict[str, None] = OrderedDict()

    def add(self, lent: Lent) -> None:
        """It came just now."""
        with self._lock:
            self._lent[lent.receipt] = lent
            self._until[lent.receipt] = time.monotonic() + self._lease

    def get(self, receipt: object) -> Lent | None:
        """What is held under this receipt, as far as the server knows too: None once the lease is over."""
        with self._lock:
            lent = self._lent.get(str(receipt))
            alive = lent is not None and self._until[lent.receipt] > time.monotonic()
            return lent if alive else None

    def was_settled(self, receipt: object) -> bool:
        """Whether a settlement of this one took effect, some time ago at most."""
        with self._lock:
            return str(receipt) in self._done

    def settled(self, receipts: Iterable[str]) -> None:
        """These are held no more."""
        with self._lock:
            for receipt in receipts:
                if self._lent.pop(receipt, None) is not None:
                    del self._until[receipt]
                    self._done[receipt] = None
            while len(self._done) > _REMEMBERED:
                self._done.popitem(last=False)

    def all(self) -> list[Lent]:
        """All of them."""
        with self._lock:
            return list(self._lent.values())

    async def keep(self, client: Client) -> None:
        """Tell the server that each of them is worked on, so that its lease begins anew."""
        began = time.monotonic()
        kept = self.all()
        for lent in kept:
            await client.publish(lent.receipt, b"+WPI")
        await client.flush()
        with self._lock:
            for lent in kept:
                # What was lent for too long belongs to somebody else, and stays so.
                if self._until.get(lent.receipt, 0.0) > began:
                    self._until[lent.receipt] = began + self._lease
