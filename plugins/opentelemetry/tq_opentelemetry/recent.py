"""The newest entries of what would otherwise grow without end."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """Keeps the `most` entries that were put last. Safe for threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[Hashable, V] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, key: Hashable, value: V) -> None:
        """Remember it; the oldest gives way."""
        with self._lock:
            self._known[key] = value
            self._known.move_to_end(key)
            if len(self._known) > self._most:
                self._known.popitem(last=False)

    def pop(self, key: Hashable) -> V | None:
        """Take it out, if it is still there."""
        with self._lock:
            return self._known.pop(key, None)

    def get(self, key: Hashable) -> V | None:
        """Look at it."""
        return self._known.get(key)

    def all_of(self, keys: Iterable[Hashable]) -> list[V]:
        """Those that are still there, in the order of the keys."""
        return [value for key in keys if (value := self._known.get(key)) is not None]
