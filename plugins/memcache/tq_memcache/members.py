"""The keys of one group, and the steps of which counting is made: each is harmless to repeat."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tq.errors import BackendError, BackendUnavailable
from tq.records import GroupPart
from tq.wire.group_document import End, read_end, write_end
from tq_memcache.faults import TOO_LARGE
from tq_memcache.keys import digest, lifetime
from tq_memcache.ring import Server

_DOING = "count members of a group"
_TRIES = 1000
_SLICE = 128


class Head(msgspec.Struct, frozen=True):
    """What a group is. `epoch` tells a fresh start from what was before; `claim` is the line of a member."""

    epoch: str
    size: int
    refreshed: float
    structure: bytes | None = None
    added: tuple[str, ...] = ()
    claim: str | None = None
    ended: bool = False

    @property
    def expected(self) -> int:
        """How many members have to end."""
        return self.size + len(self.added)

    def grown(self, task_id: str) -> Head:
        """With one more."""
        return msgspec.structs.replace(self, added=(*self.added, task_id))


_HEAD = msgspec.msgpack.Decoder(Head)


def line_of(part: GroupPart) -> str:
    """What stands for a member in the log, and in the key of its end."""
    return digest(f"{part.index}:{part.task_id}")[:20]


def lines_of(log: bytes | None) -> list[str]:
    """The members in a log, each once."""
    return list(dict.fromkeys((log or b"").decode("ascii", "replace").split()))


class Keep:
    """One group on its server; `live` in seconds, None for ever. Raises `BackendError`."""

    def __init__(self, server: Server, base: str, live: float | None, group_id: str) -> None:
        self._server = server
        self._base = base
        self._live = live
        self._group_id = group_id

    def head(self) -> Head | None:
        """What the group is, or None."""
        return self.head_and_token()[0]

    def head_and_token(self) -> tuple[Head | None, Any]:
        """The same, with what `replace` needs."""
        raw, token = self._run("gets", self._base)
        return (None if raw is None else self._read_head(raw)), token

    def put_head(self, head: Head) -> None:
        """Write it, whatever was there."""
        raw = msgspec.msgpack.encode(head)
        self._run("set", self._base, raw, lifetime(self._live))

    def add_head(self, head: Head) -> bool:
        """Write it if there is none."""
        raw = msgspec.msgpack.encode(head)
        return bool(self._run("add", self._base, raw, lifetime(self._live)))

    def replace(self, head: Head, token: Any) -> bool:
        """Write it if nobody changed it since the token."""
        raw = msgspec.msgpack.encode(head)
        return bool(self._run("cas", self._base, raw, token, lifetime(self._live)))

    def change(self, how: Callable[[Head], Head | None]) -> Head | None:
        """Change the head of a group that is not over; `how` may return None for no change. None: unknown."""
        for _ in range(_TRIES):
            head, token = self.head_and_token()
            if head is None or head.ended:
                return head
            changed = how(head)
            if changed is None or self.replace(changed, token):
                return changed or head
        raise self.contended()

    def contended(self) -> BackendError:
        """Others are always faster."""
        return BackendUnavailable(
            f"cannot {_DOING}: others write group {self._group_id} all the time; try again"
        )

    def open(self, head: Head) -> None:
        """Make log and count."""
        values = {self._key(head, "log"): b"", self._key(head, "count"): b"0"}
        self._run("set_many", values, lifetime(self._live))

    def first(self, head: Head, line: str, end: End) -> End:
        """Keep how a member ended, unless it is known; what is known."""
        key, raw = self._key(head, line), write_end(end)
        for _ in range(_TRIES):
            if self._run("add", key, raw, lifetime(self._live)):
                return end
            found = self._run("get", key)
            if found is not None:
                return read_end(self._group_id, found)
        raise self.contended()

    def note(self, head: Head, line: str) -> int | None:
        """Write a line; how many were written, at least one for each member that ended. None: it was evicted.

        The line comes before the number, so whoever gets the last number finds all lines.
        """
        entry = f"{line}\n".encode()
        # A value that is appended to keeps its lifetime.
        if not self._run("append", self._key(head, "log"), entry):
            return None
        count: int | None = self._run("incr", self._key(head, "count"), 1)
        return count

    def log(self, head: Head) -> bytes | None:
        """All lines."""
        found: bytes | None = self._run("get", self._key(head, "log"))
        return found

    def ends(self, head: Head, lines: Sequence[str]) -> list[End]:
        """How these members ended, those that are still known."""
        found: dict[str, bytes] = {}
        for keys in _slices([self._key(head, line) for line in lines]):
            found |= self._run("get_many", keys)
        return [read_end(self._group_id, raw) for raw in found.values()]

    def refresh(self, head: Head) -> None:
        """Let all of it live on, if a quarter of its life is over."""
        if self._live is None or time.time() - head.refreshed < self._live / 5:
            return
        live = lifetime(self._live)
        names = ["log", "count", *lines_of(self.log(head))]
        for key in (self._base, *(self._key(head, name) for name in names)):
            self._run("touch", key, live)
        now = time.time()
        self.change(lambda head: msgspec.structs.replace(head, refreshed=now))

    def drop(self, head: Head) -> None:
        """Remove all but the head."""
        names = ["log", "count", *lines_of(self.log(head))]
        for keys in _slices([self._key(head, name) for name in names]):
            self._run("delete_many", keys)

    def _key(self, head: Head, name: str) -> str:
        return f"{self._base}-{head.epoch}-{name}"

    def _read_head(self, raw: bytes) -> Head:
        try:
            return _HEAD.decode(raw)
        except (msgspec.MsgspecError, UnicodeError) as exc:
            raise BackendError(f"group {self._group_id} cannot be read: {exc}") from exc

    def _run(self, method: str, *args: Any) -> Any:
        try:
            return self._server.run(_DOING, method, *args)
        except BackendError as exc:
            if TOO_LARGE not in str(exc):
                raise
            raise BackendError(
                f"group {self._group_id} has a result, or so many members, that memcached keeps no such value (1 MB by "
                "default): return less, or start memcached with a greater -I",
                url=exc.url,
            ) from exc


def _slices(keys: Sequence[str]) -> list[Sequence[str]]:
    return [keys[at : at + _SLICE] for at in range(0, len(keys), _SLICE)]
