"""memcached as result backend, with Celery's keys and documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tq.contracts.polling import looks
from tq.contracts.results import BackendCap, ResultBackend
from tq.errors import BackendError, BackendUnavailable, EncodeError, ImproperlyConfigured
from tq.states import READY_STATES
from tq.wire.compression import compress
from tq.wire.result_document import compress_document, last_of_each, read_document, write_document
from tq_memcache.checkup import check_up
from tq_memcache.faults import TOO_LARGE
from tq_memcache.groups import Groups
from tq_memcache.keys import Keys, lifetime
from tq_memcache.options import Options
from tq_memcache.ring import Ring, Server

if TYPE_CHECKING:
    from tq.contracts.serializer import Serializer
    from tq.records import Finding, GroupCount, GroupPart, GroupStart, TaskMeta

_KEY = "celery-task-meta-"
_SLICE = 128
_TRIES = 200
_FIRST_PAUSE = 0.005


class MemcacheBackend(ResultBackend):
    """Results in memcached 1.4.8 or newer; Celery's `AsyncResult` reads them."""

    api_version = 1
    capabilities = BackendCap.EXPIRES | BackendCap.SHARED | BackendCap.GROUPS
    options_type = Options

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any] | None = None,
        *,
        serializer: Serializer,
        expires: float | None = 86400.0,
    ) -> None:
        super().__init__(url, options, serializer=serializer, expires=expires)
        self.options: Options
        self._check_compression()
        self._ring = Ring(url, self.options)
        self._keys = Keys(self.options.global_keyprefix, self.options.key_prefix)
        self._groups = Groups(self._ring, self._keys, serializer, expires)

    def __repr__(self) -> str:
        return f"MemcacheBackend({self._ring.shown!r})"

    def store(self, batch: Sequence[TaskMeta]) -> None:
        last = last_of_each(batch)
        final = {self._key(i): self._write(meta) for i, meta in last.items() if meta.status == "SUCCESS"}
        other = {self._key(i): self._write(meta) for i, meta in last.items() if meta.status != "SUCCESS"}
        for server, keys in self._ring.split(final, _SLICE):
            self._store(server, {key: final[key] for key in keys})
        for server, keys in self._ring.split(other, _SLICE):
            self._store_unless_done(server, {key: other[key] for key in keys})

    def get(self, task_ids: Sequence[str]) -> Mapping[str, TaskMeta]:
        names = {self._key(task_id): task_id for task_id in task_ids}
        found: dict[str, bytes] = {}
        for server, keys in self._ring.split(names, _SLICE):
            found |= server.run("read results", "get_many", keys)
        return {names[key]: read_document(names[key], raw, self.serializer) for key, raw in found.items()}

    def wait(self, task_ids: Sequence[str], timeout: float) -> Mapping[str, TaskMeta]:
        for _ in looks(timeout if task_ids else 0.0, _FIRST_PAUSE, self.options.poll_interval):
            ready = {i: meta for i, meta in self.get(task_ids).items() if meta.status in READY_STATES}
            if ready:
                return ready
        return {}

    def findings(self) -> Sequence[Finding]:
        return check_up(self._ring)

    def forget(self, task_ids: Sequence[str]) -> None:
        for server, keys in self._ring.split({self._key(i) for i in task_ids}, _SLICE):
            server.run("forget results", "delete_many", keys)

    def start_group(self, group: GroupStart, *, fresh: bool = False) -> None:
        self._groups.start(group, fresh)

    def count(self, parts: Sequence[GroupPart]) -> Sequence[GroupCount]:
        return [self._groups.count(part) for part in parts]

    def grow_group(self, group_id: str, task_id: str) -> None:
        self._groups.grow(group_id, task_id)

    def end_groups(self, group_ids: Sequence[str]) -> None:
        for group_id in group_ids:
            self._groups.end(group_id)

    def save_group(self, group_id: str, structure: Any) -> None:
        self._groups.save(group_id, structure)

    def load_group(self, group_id: str) -> Any | None:
        return self._groups.load(group_id)

    def forget_group(self, group_id: str) -> None:
        self._groups.forget(group_id)

    def close(self) -> None:
        self._ring.close()

    def after_fork(self) -> None:
        self._ring.after_fork()

    # -- documents -----------------------------------------------------------------------------------------

    def _key(self, task_id: str) -> str:
        return self._keys.of(_KEY, task_id)

    def _check_compression(self) -> None:
        if self.options.compression:
            try:
                compress(b"", self.options.compression)
            except EncodeError as exc:
                raise ImproperlyConfigured(f"the option 'compression' cannot be used: {exc}") from exc

    def _write(self, meta: TaskMeta) -> bytes:
        raw = write_document(meta, self.serializer)
        if self.options.compression and len(raw) >= self.options.compress_from:
            return compress_document(raw, self.options.compression)
        return raw

    def _store(self, server: Server, documents: dict[str, bytes]) -> None:
        live = lifetime(self.expires)
        try:
            server.run("store results", "set_many", documents, live)
        except BackendError as exc:
            self._refuse_large(exc, documents)
            raise

    def _store_unless_done(self, server: Server, documents: dict[str, bytes]) -> None:
        left = documents
        for _ in range(_TRIES):
            try:
                left = self._try(server, left)
            except BackendError as exc:
                self._refuse_large(exc, left)
                raise
            if not left:
                return
        raise BackendUnavailable(
            f"cannot store results: others write {next(iter(left))} at {self._ring.shown} all the time; try again",
            url=self._ring.shown,
        )

    def _try(self, server: Server, documents: dict[str, bytes]) -> dict[str, bytes]:
        """Replace what is not SUCCESS; returns what somebody else changed in between."""
        live = lifetime(self.expires)
        found = server.run("store results", "gets_many", list(documents))
        left: dict[str, bytes] = {}
        for key, raw in documents.items():
            old, token = found.get(key, (None, None))
            if old is None:
                done = server.run("store results", "add", key, raw, live)
            elif (
                read_document(key.removeprefix(self._keys.of(_KEY, "")), old, self.serializer).status
                == "SUCCESS"
            ):
                done = True
            else:
                done = server.run("store results", "cas", key, raw, token, live)
            if not done:
                left[key] = raw
        return left

    def _refuse_large(self, error: BackendError, documents: dict[str, bytes]) -> None:
        if TOO_LARGE not in str(error):
            return
        key, raw = max(documents.items(), key=lambda each: len(each[1]))
        advice = "" if self.options.compression else ", or set the option 'compression'"
        raise BackendError(
            f"the result of task {key.removeprefix(self._keys.of(_KEY, ''))} has {len(raw)} bytes, more than memcached "
            f"at {self._ring.shown} keeps in one value (1 MB by default): return less, start memcached with a greater "
            f"-I{advice}",
            url=self._ring.shown,
        ) from error
