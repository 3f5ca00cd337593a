"""Redis as result backend, with Celery's keys, documents and channels."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tq.contracts.results import BackendCap, ResultBackend
from tq.states import READY_STATES
from tq.wire.result_document import last_of_each, read_document, write_document
from tq_redis.address import Address
from tq_redis.checkup import check_up
from tq_redis.groups import Groups
from tq_redis.link import Down, Refused, pack
from tq_redis.options import BackendOptions, refuse_explained
from tq_redis.scripts import STORE
from tq_redis.server import Server
from tq_redis.subscription import Subscription

if TYPE_CHECKING:
    from tq.contracts.serializer import Serializer
    from tq.records import Finding, GroupCount, GroupPart, GroupStart, TaskMeta

_KEY = "celery-task-meta-"
_SLICE = 256


class RedisBackend(ResultBackend):
    """Results in Redis 6.2 or newer; Celery's `AsyncResult` reads and awaits them."""

    api_version = 1
    capabilities = (
        BackendCap.PUSH | BackendCap.EXPIRES | BackendCap.DURABLE | BackendCap.SHARED | BackendCap.GROUPS
    )
    options_type = BackendOptions

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any] | None = None,
        *,
        serializer: Serializer,
        expires: float | None = 86400.0,
    ) -> None:
        refuse_explained(url, options or {})
        super().__init__(url, options, serializer=serializer, expires=expires)
        self.options: BackendOptions
        self._server = Server(url, self.options, for_results=True)
        self._subscription = Subscription(self._server.connector, self.options.socket_timeout)
        prefix = self.options.global_keyprefix
        # Celery's rule: a prefix that ends like a word is set off.
        prefix = prefix if not prefix or prefix[-1] in ":_-." else f"{prefix}_"
        self._prefix = prefix + _KEY
        self._groups = Groups(self._server, prefix, serializer, expires)
        self.live_ms = max(1, round(expires * 1000)) if expires else 0
        """Milliseconds that a document lives, 0: for ever."""

    @property
    def place(self) -> Address:
        """The database. A broker of the same one can store results itself."""
        return self._server.address

    def __repr__(self) -> str:
        return f"RedisBackend({self._server.shown!r})"

    def document(self, meta: TaskMeta) -> tuple[str, bytes]:
        """The key, which is also the channel, and the bytes of a document. Raises `BackendError`."""
        return self._prefix + meta.task_id, write_document(meta, self.serializer)

    def store(self, batch: Sequence[TaskMeta]) -> None:
        last = last_of_each(batch)
        found = [(meta.status == "SUCCESS", *self.document(meta)) for meta in last.values()]
        for at in range(0, len(found), _SLICE):
            part = found[at : at + _SLICE]
            self._save([(key, data) for final, key, data in part if final])
            self._save_unless_done([(key, data) for final, key, data in part if not final])

    def get(self, task_ids: Sequence[str]) -> Mapping[str, TaskMeta]:
        found: dict[str, TaskMeta] = {}
        for at in range(0, len(task_ids), _SLICE):
            part = task_ids[at : at + _SLICE]
            (values,) = self._server.call(
                [pack((b"MGET", *(self._prefix + i for i in part)))], "read results"
            )
            for task_id, raw in zip(part, values, strict=True):
                if raw is not None:
                    found[task_id] = read_document(task_id, raw, self.serializer)
        return found

    def wait(self, task_ids: Sequence[str], timeout: float) -> Mapping[str, TaskMeta]:
        names = {self._prefix + task_id: task_id for task_id in task_ids}
        if not names:
            return {}
        read: dict[str, TaskMeta] = {}

        def ready(channel: str, raw: bytes) -> bool:
            meta = read_document(names[channel], raw, self.serializer)
            if meta.status in READY_STATES:
                read[meta.task_id] = meta
            return meta.status in READY_STATES

        try:
            self._subscription.wait(list(names), ready, time.monotonic() + timeout)
        except (Down, Refused) as exc:
            raise self._server.fail(exc, "wait for results") from exc
        return read

    def findings(self) -> Sequence[Finding]:
        return check_up(self._server, "results")

    def forget(self, task_ids: Sequence[str]) -> None:
        for at in range(0, len(task_ids), _SLICE):
            keys = [self._prefix + task_id for task_id in task_ids[at : at + _SLICE]]
            self._subscription.forget(keys)
            self._server.call([pack((b"UNLINK", *keys))], "forget results")

    def start_group(self, group: GroupStart, *, fresh: bool = False) -> None:
        self._groups.start(group, fresh)

    def count(self, parts: Sequence[GroupPart]) -> Sequence[GroupCount]:
        return self._groups.count(parts)

    def grow_group(self, group_id: str, task_id: str) -> None:
        self._groups.change(group_id, "grow", task_id)

    def end_groups(self, group_ids: Sequence[str]) -> None:
        self._groups.end(group_ids)

    def save_group(self, group_id: str, structure: Any) -> None:
        self._groups.save(group_id, structure)

    def load_group(self, group_id: str) -> Any | None:
        return self._groups.load(group_id)

    def forget_group(self, group_id: str) -> None:
        self._groups.forget(group_id)

    def close(self) -> None:
        self._subscription.close()
        self._server.pool.close()

    def after_fork(self) -> None:
        self._subscription.after_fork()
        self._server.pool.after_fork()

    def _save(self, documents: list[tuple[str, bytes]]) -> None:
        commands = []
        for key, data in documents:
            live = (b"PX", self.live_ms) if self.live_ms else ()
            commands += [pack((b"SET", key, data, *live)), pack((b"PUBLISH", key, data))]
        self._server.call(commands, "store results")

    def _save_unless_done(self, documents: list[tuple[str, bytes]]) -> None:
        if documents:
            keys, args = [key for key, _ in documents], [self.live_ms, *(data for _, data in documents)]
            self._server.run(STORE, keys, args, "store results")
