"""The groups of the memory backend: who ended, and who has to see to what follows. Called under its lock."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tq.records import GroupPart

_Member = tuple[str, int]
Rows = list[tuple[GroupPart, bytes]]


@dataclass(slots=True)
class _Group:
    size: int
    structure: bytes | None
    until: float
    parts: dict[_Member, tuple[GroupPart, bytes]] = field(default_factory=dict)
    added: set[str] = field(default_factory=set)
    claim: _Member | None = None
    ended: bool = False


@dataclass(slots=True)
class Groups:
    """All groups of one store. Times are of the monotonic clock."""

    counted: dict[str, _Group] = field(default_factory=dict)
    saved: dict[str, tuple[bytes, float]] = field(default_factory=dict)

    def start(self, group_id: str, size: int, structure: bytes | None, fresh: bool, until: float) -> None:
        """Begin to count, unless it is counted already."""
        if fresh or self._find(group_id) is None:
            self.counted[group_id] = _Group(size, structure, until)

    def count(self, part: GroupPart, raw: bytes, until: float) -> tuple[Rows | None, bytes | None]:
        """Note a part; all parts and the structure if it is for the caller to go on, else None."""
        group = self._find(part.group_id)
        if group is None or group.ended:
            return None, None
        member = (part.task_id, part.index)
        group.parts.setdefault(member, (part, raw))
        group.until = until
        failed = group.parts[member][0].status != "SUCCESS"
        complete = len(group.parts) >= group.size + len(group.added)
        if group.claim is None and (failed or complete):
            group.claim = member
        if group.claim != member:
            return None, None
        return sorted(group.parts.values(), key=lambda row: row[0].index), group.structure

    def grow(self, group_id: str, task_id: str) -> None:
        """Expect one more."""
        group = self._find(group_id)
        if group is not None:
            group.added.add(task_id)

    def end(self, group_id: str) -> None:
        """Nothing is left to be done."""
        group = self._find(group_id)
        if group is not None:
            group.ended = True
            group.parts.clear()

    def _find(self, group_id: str) -> _Group | None:
        group = self.counted.get(group_id)
        if group is not None and group.until <= time.monotonic():
            del self.counted[group_id]
            return None
        return group
