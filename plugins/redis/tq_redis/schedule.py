"""Redis as schedule store: two hashes and the leader of the beats, each move one script."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from tq.contracts.schedules import Advance, Entry, Lead, Row, ScheduleCap, ScheduleStore, State
from tq_redis.options import BrokerOptions, refuse_explained
from tq_redis.scripts import Script
from tq_redis.server import Server

_log = logging.getLogger("tq.beat")
_LEAD = Script("schedule_lead")
_RESIGN = Script("schedule_resign")
_SAVE = Script("schedule_save")
_REMOVE = Script("schedule_remove")
_ADVANCE = Script("schedule_advance")
_READ = Script("schedule_read")
_SLICE = 500
"""Rows in one call: others wait while a script runs."""


class RedisScheduleStore(ScheduleStore):
    """Takes the URLs and options of the broker. The keys are `tq:{schedule:NAMESPACE}:leader`, `:entries` and
    `:states`."""

    capabilities: ClassVar[ScheduleCap] = ScheduleCap.DURABLE | ScheduleCap.SHARED | ScheduleCap.REMOTE
    options_type = BrokerOptions

    def __init__(
        self, url: str, options: Mapping[str, Any] | None = None, *, namespace: str = "default"
    ) -> None:
        refuse_explained(url, options or {})
        super().__init__(url, options, namespace=namespace)
        self._server = Server(url, self.options, for_results=True)
        own = f"{self.options.global_keyprefix}tq:{{schedule:{namespace}}}:"
        self._leader, self._entries, self._states = f"{own}leader", f"{own}entries", f"{own}states"

    def __repr__(self) -> str:
        return f"RedisScheduleStore({self._server.shown!r})"

    def read(self, names: Sequence[str] | None = None) -> Sequence[Row]:
        if names is not None and not names:
            return []
        keys = [self._entries, self._states]
        found = self._server.run(_READ, keys, list(names or ()), "read the schedule")
        rows = (_row(*found[at : at + 3]) for at in range(0, len(found), 3))
        return [row for row in rows if row is not None]

    def save(self, rows: Sequence[Row]) -> Sequence[bool]:
        saved: list[bool] = []
        keys = [self._leader, self._entries, self._states]
        for at in range(0, len(rows), _SLICE):
            args: list[Any] = []
            for row in rows[at : at + _SLICE]:
                args += [row.entry.name, row.revision, _json(row.entry), _json(row.state)]
            saved += map(bool, self._server.run(_SAVE, keys, args, "write the schedule"))
        return saved

    def remove(self, name: str, revision: int) -> bool:
        keys = [self._leader, self._entries, self._states]
        return bool(self._server.run(_REMOVE, keys, [name, revision], "write the schedule"))

    def lead(self, owner: str, lease: float) -> Lead:
        args = [owner, max(1, round(lease * 1000))]
        fence, left, version = self._server.run(_LEAD, [self._leader], args, "lead the beats")
        return Lead(fence or None, left / 1000, version)

    def resign(self, owner: str) -> None:
        self._server.run(_RESIGN, [self._leader], [owner], "resign")

    def advance(self, batch: Sequence[Advance], *, fence: int) -> Sequence[bool]:
        written: list[bool] = []
        for at in range(0, len(batch), _SLICE):
            args: list[Any] = [fence]
            for one in batch[at : at + _SLICE]:
                args += [one.name, one.revision, _json(one.state)]
            keys = [self._leader, self._states]
            written += map(bool, self._server.run(_ADVANCE, keys, args, "write what was sent"))
        return written

    def close(self) -> None:
        self._server.pool.close()

    def after_fork(self) -> None:
        self._server.pool.after_fork()


def _json(record: Entry | State) -> bytes:
    return msgspec.json.encode(record)


def _row(name: bytes, entry: bytes, state: bytes) -> Row | None:
    try:
        revision, _, rest = state.partition(b":")
        return Row(
            msgspec.json.decode(entry, type=Entry), msgspec.json.decode(rest, type=State), int(revision)
        )
    except (msgspec.DecodeError, ValueError) as exc:
        _log.error("the entry %r of the schedule is left out, it cannot be read: %s", name, exc)
        return None
