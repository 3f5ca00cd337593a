"""Those who listen to a memory broker."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tq.contracts.subscription import MOST_HEARD, Subscription
from tq.records import Channel, Heard, Notice
from tq.wire.envelope import unpack
from tq.wire.topics import matcher

Hears = Callable[[str], bool]


@dataclass(slots=True, eq=False)
class Ear:
    """One listener as its store knows it."""

    hears: Hears
    waiting: deque[tuple[bytes, str]] = field(default_factory=lambda: deque(maxlen=MOST_HEARD))
    """Packed messages and their routing keys; the oldest gives way."""
    bell: queue.SimpleQueue[None] = field(default_factory=queue.SimpleQueue)


class Listeners:
    """All listeners of one store. The caller holds the store's lock."""

    def __init__(self) -> None:
        self._ears: dict[str, list[Ear]] = {}

    def join(self, channel: Channel, pattern: str) -> Ear:
        """Listen from now on."""
        ear = Ear(hearing(channel, pattern))
        self._ears.setdefault(channel.name, []).append(ear)
        return ear

    def leave(self, channel: Channel, ear: Ear) -> None:
        """Listen no more."""
        left = [each for each in self._ears.get(channel.name, ()) if each is not ear]
        if left:
            self._ears[channel.name] = left
        else:
            self._ears.pop(channel.name, None)

    def any_hears(self, notice: Notice) -> bool:
        """Whether anybody wants it."""
        return any(ear.hears(notice.routing_key) for ear in self._ears.get(notice.channel.name, ()))

    def tell(self, notice: Notice, raw: bytes) -> None:
        """Give it to those who want it."""
        for ear in self._ears.get(notice.channel.name, ()):
            if ear.hears(notice.routing_key):
                ear.waiting.append((raw, notice.routing_key))
                if ear.bell.empty():
                    ear.bell.put(None)


def hearing(channel: Channel, pattern: str) -> Hears:
    """Which routing keys a listener wants."""
    if channel.kind == "topic":
        return matcher(pattern)
    if channel.kind == "direct":
        return pattern.__eq__
    return lambda routing_key: True


class MemorySubscription(Subscription):
    """A listener of this process."""

    def __init__(self, ear: Ear, leave: Callable[[], None]) -> None:
        self._ear = ear
        self._leave = leave
        self._interrupted = False

    def receive(self, limit: int, wait: float) -> Sequence[Heard]:
        until = time.monotonic() + wait
        waiting, heard = self._ear.waiting, list[Heard]()
        while True:
            while waiting and len(heard) < limit:
                raw, routing_key = waiting.popleft()
                heard.append(Heard(unpack(raw), routing_key))
            left = until - time.monotonic()
            if heard or self._interrupted or left <= 0:
                self._interrupted = False
                return heard
            try:
                self._ear.bell.get(timeout=left)
            except queue.Empty:
                continue

    def interrupt(self) -> None:
        self._interrupted = True
        self._ear.bell.put(None)

    def close(self) -> None:
        self._leave()
