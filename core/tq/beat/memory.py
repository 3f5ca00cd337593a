"""The schedule store in memory, for tests and for reading. `memory://NAME` names a store of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from tq.contracts.schedules import Advance, Lead, Row, ScheduleCap, ScheduleStore


@dataclass(slots=True)
class Shelf:
    """What lies under one URL and namespace."""

    rows: dict[str, Row] = field(default_factory=dict)
    owner: str | None = None
    fence: int = 0
    until: float = 0.0
    version: int = 0


class MemoryScheduleStore(ScheduleStore):
    """Every store of one URL and namespace shares its rows; they live until `reset`."""

    capabilities: ClassVar[ScheduleCap] = ScheduleCap.NONE
    _shelves: ClassVar[dict[tuple[str, str], Shelf]] = {}
    _lock: ClassVar[threading.RLock] = threading.RLock()

    def __init__(
        self, url: str, options: Mapping[str, Any] | None = None, *, namespace: str = "default"
    ) -> None:
        super().__init__(url, options, namespace=namespace)
        self._key = url.partition("?")[0], namespace

    @classmethod
    def reset(cls) -> None:
        """Forget all stores of this process."""
        with cls._lock:
            cls._shelves.clear()

    @property
    def _shelf(self) -> Shelf:
        return self._shelves.setdefault(self._key, Shelf())

    def read(self, names: Sequence[str] | None = None) -> Sequence[Row]:
        with self._lock:
            rows = self._shelf.rows
            return list(rows.values()) if names is None else [rows[name] for name in names if name in rows]

    def save(self, rows: Sequence[Row]) -> Sequence[bool]:
        with self._lock:
            return [self._save(row) for row in rows]

    def _save(self, row: Row) -> bool:
        shelf = self._shelf
        if _revision(shelf, row.entry.name) != row.revision:
            return False
        shelf.version += 1
        shelf.rows[row.entry.name] = msgspec.structs.replace(row, revision=row.revision + 1)
        return True

    def remove(self, name: str, revision: int) -> bool:
        with self._lock:
            shelf = self._shelf
            if name not in shelf.rows or shelf.rows[name].revision != revision:
                return False
            shelf.version += 1
            del shelf.rows[name]
            return True

    def lead(self, owner: str, lease: float) -> Lead:
        with self._lock:
            shelf, now = self._shelf, time.monotonic()
            if shelf.owner != owner:
                if shelf.owner is not None and shelf.until > now:
                    return Lead(None, shelf.until - now, shelf.version)
                shelf.owner, shelf.fence = owner, shelf.fence + 1
            shelf.until = now + lease
            return Lead(shelf.fence, lease, shelf.version)

    def resign(self, owner: str) -> None:
        with self._lock:
            if self._shelf.owner == owner:
                self._shelf.owner = None

    def advance(self, batch: Sequence[Advance], *, fence: int) -> Sequence[bool]:
        with self._lock:
            return [fence == self._shelf.fence and self._advance(one) for one in batch]

    def _advance(self, one: Advance) -> bool:
        rows = self._shelf.rows
        if one.name not in rows or rows[one.name].revision != one.revision:
            return False
        rows[one.name] = Row(rows[one.name].entry, one.state, one.revision + 1)
        return True

    def close(self) -> None:
        """Nothing is open."""


def _revision(shelf: Shelf, name: str) -> int:
    return shelf.rows[name].revision if name in shelf.rows else 0
