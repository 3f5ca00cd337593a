"""Groups of tasks in memcached. All keys of one group lie on one server, that of `tq-group-<digest>`.

    tq-group-<digest>                       the head: size, structure, who has the claim, whether it is over
    tq-group-<digest>-<epoch>-log           a line for each member that ended; appended to, repetitions are harmless
    tq-group-<digest>-<epoch>-count         how many lines were appended: at least as many as members ended
    tq-group-<digest>-<epoch>-<member>      how a member ended; written by `add`, so its first end stands
    celery-taskset-meta-<group>             Celery's key of a saved group

memcached may evict any of them. Without its head a group is unknown, and its chord stays silent; whatever else is
missing ends the chord with an error.
"""

from __future__ import annotations

import math
import secrets
import time
from typing import Any

import msgspec

from tq.contracts.serializer import Serializer
from tq.errors import ChordError
from tq.records import GroupCount, GroupPart, GroupStart
from tq.wire.exceptions import exception_document
from tq.wire.group_document import end_of, part_of, read_saved, read_value, write_saved, write_value
from tq_memcache.keys import Keys, digest, lifetime
from tq_memcache.members import Head, Keep, line_of, lines_of
from tq_memcache.ring import Ring

_SAVED = "celery-taskset-meta-"
_TRIES = 1000


class Groups:
    """The groups of one result backend. `expires` in seconds, None for ever."""

    def __init__(self, ring: Ring, keys: Keys, serializer: Serializer, expires: float | None) -> None:
        self._ring = ring
        self._keys = keys
        self._serializer = serializer
        self._live = expires

    def start(self, group: GroupStart, fresh: bool) -> None:
        """Begin to count."""
        keep = self._keep(group.group_id)
        if not fresh and keep.head() is not None:
            return
        structure = None if group.structure is None else write_value(group.structure, self._serializer)
        head = Head(secrets.token_hex(6), group.size, time.time(), structure)
        keep.open(head)
        if fresh:
            keep.put_head(head)
        elif not keep.add_head(head) and (now := keep.head()) is not None and now.epoch != head.epoch:
            keep.drop(head)

    def count(self, part: GroupPart) -> GroupCount:
        """Note one part."""
        keep = self._keep(part.group_id)
        head = keep.head()
        if head is None or head.ended:
            return GroupCount()
        line = line_of(part)
        end = keep.first(head, line, end_of(part, self._serializer))
        ended = keep.note(head, line)
        urgent = end.status != "SUCCESS" or ended is None
        if not urgent and head.claim is None and ended is not None and ended < head.expected:
            keep.refresh(head)
            return GroupCount()
        return self._claim(keep, part, head.epoch, line, urgent)

    def grow(self, group_id: str, task_id: str) -> None:
        """Expect one more."""
        keep = self._keep(group_id)
        keep.change(lambda head: None if task_id in head.added else head.grown(task_id))

    def end(self, group_id: str) -> None:
        """Nothing is left to be done."""
        keep = self._keep(group_id)
        head = keep.change(lambda head: msgspec.structs.replace(head, ended=True, structure=None, added=()))
        if head is not None:
            keep.drop(head)

    def save(self, group_id: str, structure: Any) -> None:
        """Keep the ids of a group."""
        key, raw = self._keys.of(_SAVED, group_id), write_saved(structure, self._serializer)
        self._ring.at(key).run("save a group", "set", key, raw, lifetime(self._live))

    def load(self, group_id: str) -> Any | None:
        """The ids of a group, or None."""
        key = self._keys.of(_SAVED, group_id)
        raw = self._ring.at(key).run("read a group", "get", key)
        return None if raw is None else read_saved(group_id, raw, self._serializer)

    def forget(self, group_id: str) -> None:
        """Remove what `save` kept."""
        key = self._keys.of(_SAVED, group_id)
        self._ring.at(key).run("forget a group", "delete", key)

    # -- claims --------------------------------------------------------------------------------------------

    def _claim(self, keep: Keep, part: GroupPart, epoch: str, line: str, urgent: bool) -> GroupCount:
        for _ in range(_TRIES):
            head, token = keep.head_and_token()
            if head is None or head.ended or head.epoch != epoch:
                return GroupCount()
            lines = lines_of(keep.log(head))
            if head.claim is None and (urgent or len(lines) >= head.expected):
                if not keep.replace(msgspec.structs.replace(head, claim=line), token):
                    continue
                head = msgspec.structs.replace(head, claim=line)
            if head.claim != line:
                return GroupCount()
            return self._answer(keep, part, head, lines)
        raise keep.contended()

    def _answer(self, keep: Keep, part: GroupPart, head: Head, lines: list[str]) -> GroupCount:
        found = keep.ends(head, lines)
        parts = [part_of(part.group_id, end, self._serializer) for end in found]
        failed = any(each.status != "SUCCESS" for each in parts)
        if len(parts) < (len(lines) if failed else head.expected):
            lost = ChordError(
                f"memcached evicted what members of group {part.group_id} returned, or that they ended"
            )
            parts.append(
                GroupPart(part.group_id, part.index, part.task_id, "FAILURE", exception_document(lost))
            )
        parts.sort(key=lambda each: each.index)
        structure = None
        if head.structure is not None:
            structure = read_value(part.group_id, head.structure, self._serializer)
        return GroupCount(True, tuple(parts), structure)

    def _keep(self, group_id: str) -> Keep:
        base = f"{self._keys.prefix}tq-group-{digest(group_id)[:40]}"
        # Longer than `expires`, since only what is older than a quarter of it is touched again.
        live = None if not self._live else math.ceil(self._live * 1.25) + 1
        return Keep(self._ring.at(base), base, live, group_id)
