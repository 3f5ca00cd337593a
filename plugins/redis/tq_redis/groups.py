"""Groups of tasks in Redis, under Celery 5.7's keys, so that its workers count along.

    celery-taskset-meta-<group>      {"result": structure}, where results nest, and of saved groups
    ….j  sorted set: index -> [1, task id, status, result]      ….t  by how much it has grown
    ….s  its size          ….d  "<task id>:<index>" seen        ….c  who has to go on, then "done"
    ….a  tasks by which it has grown (tq's own)

Source: Celery 5.7, `celery.backends.redis`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tq.contracts.serializer import Serializer
from tq.errors import SerializationError
from tq.records import GroupCount, GroupPart, GroupStart
from tq.wire.group_document import read_saved, unreadable_member, write_saved, write_value
from tq_redis.link import pack
from tq_redis.scripts import GROUP, PART
from tq_redis.server import Request, Server

_KEY = "celery-taskset-meta-"
_ENDS = (".j", ".t", ".s", ".d", "", ".c")


class Groups:
    """The groups of one result backend. `expires` in seconds, None for ever."""

    def __init__(self, server: Server, prefix: str, serializer: Serializer, expires: float | None) -> None:
        self._server = server
        self._prefix = prefix + _KEY
        self._serializer = serializer
        self._live = max(1, math.ceil(expires)) if expires else 0

    def start(self, group: GroupStart, fresh: bool) -> None:
        """Begin to count."""
        structure = "" if group.structure is None else write_saved(group.structure, self._serializer)
        self.change(group.group_id, "fresh" if fresh else "start", group.size, structure)

    def count(self, parts: Sequence[GroupPart]) -> list[GroupCount]:
        """Note parts, all in one round trip."""
        replies = self._server.run_each(PART, [self._part(part) for part in parts], "count members of groups")
        return [self._counted(part, reply) for part, reply in zip(parts, replies, strict=True)]

    def end(self, group_ids: Sequence[str]) -> None:
        """Forget what was counted, all in one round trip."""
        requests: list[Request] = [
            (self._keys(i, all_of=True), ["end", self._live, "", ""]) for i in group_ids
        ]
        self._server.run_each(GROUP, requests, "end groups")

    def change(self, group_id: str, doing: str, what: Any, structure: bytes | str = "") -> None:
        """Start or grow one group."""
        self._server.run(
            GROUP, self._keys(group_id, all_of=True), [doing, self._live, what, structure], f"{doing} a group"
        )

    def save(self, group_id: str, structure: Any) -> None:
        """Keep the ids of a group."""
        live = (b"EX", self._live) if self._live else ()
        command = pack((b"SET", self._prefix + group_id, write_saved(structure, self._serializer), *live))
        self._server.call([command], "save a group")

    def load(self, group_id: str) -> Any | None:
        """The ids of a group, or None."""
        (raw,) = self._server.call([pack((b"GET", self._prefix + group_id))], "read a group")
        return None if raw is None else read_saved(group_id, raw, self._serializer)

    def forget(self, group_id: str) -> None:
        """Remove what `save` kept."""
        self._server.call([pack((b"UNLINK", self._prefix + group_id))], "forget a group")

    # -- parts ---------------------------------------------------------------------------------------------

    def _keys(self, group_id: str, *, all_of: bool = False) -> list[str]:
        return [self._prefix + group_id + end for end in ((*_ENDS, ".a") if all_of else _ENDS)]

    def _part(self, part: GroupPart) -> Request:
        index: Any = "+inf" if part.index < 0 else part.index
        raw = write_value([1, part.task_id, part.status, part.result], self._serializer)
        failed = "0" if part.status == "SUCCESS" else "1"
        args = [f"{part.task_id}:{index}", raw, index, self._live, failed]
        return self._keys(part.group_id), args

    def _counted(self, part: GroupPart, reply: Any) -> GroupCount:
        if not reply:
            return GroupCount()
        raws, structure = reply
        parts = tuple(self._read(part.group_id, place, raw) for place, raw in enumerate(raws))
        if structure is not None:
            structure = read_saved(part.group_id, structure, self._serializer)
        return GroupCount(True, parts, structure)

    def _read(self, group_id: str, place: int, raw: bytes) -> GroupPart:
        try:
            _, task_id, status, result = self._serializer.loads(raw)
        except (SerializationError, TypeError, ValueError) as exc:
            raise unreadable_member(group_id, exc) from exc
        return GroupPart(group_id, place, task_id, status, result)
