"""Dead letters: read, put back, drop."""

from __future__ import annotations

from collections.abc import Sequence

from tq.records import DeadLetter
from tq.wire.envelope import unpack
from tq_redis.keys import Layout
from tq_redis.link import pack
from tq_redis.scripts import REVIVE
from tq_redis.server import Server

_SLICE = 256


class DeadLetters:
    """The dead letters of one broker's database."""

    def __init__(self, server: Server, layout: Layout) -> None:
        self._server = server
        self._layout = layout

    def newest(self, queue: str, limit: int) -> list[DeadLetter]:
        """Newest first."""
        if limit <= 0:
            return []
        keys, doing = self._layout.queue(queue), f"read the dead letters of queue {queue!r}"
        (ids,) = self._server.call([pack((b"ZREVRANGE", keys.buried, 0, limit - 1))], doing)
        found = self._server.call([pack((b"HGET", keys.dead, each)) for each in ids], doing)
        return [_letter(each.decode(), queue, raw) for each, raw in zip(ids, found, strict=True) if raw]

    def take(self, queue: str, how: str, ids: Sequence[str]) -> int:
        """`how` is requeue or drop; returns how many were there."""
        keys, count = self._layout.queue(queue), 0
        for at in range(0, len(ids), _SLICE):
            args = [keys.wake, how, *ids[at : at + _SLICE]]
            script_keys = [keys.dead, keys.buried, *keys.lists]
            count += int(
                self._server.run(REVIVE, script_keys, args, f"{how} dead letters of queue {queue!r}")
            )
        return count


def _letter(dead_id: str, queue: str, record: bytes) -> DeadLetter:
    head, _, rest = record.partition(b"\n")
    _, attempt, died_ms, length = (int(part) for part in head.split())
    reason, raw = rest[:length].decode("utf-8", "replace"), rest[length:]
    return DeadLetter(dead_id, queue, reason, died_ms / 1000, unpack(raw), attempt)
