"""Amazon S3 as result backend, with Celery's keys and documents: one object for each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tq.contracts.polling import looks
from tq.contracts.results import BackendCap, ResultBackend
from tq.errors import BackendError, BackendUnavailable
from tq.states import READY_STATES
from tq.wire.result_document import last_of_each, read_document, write_document
from tq_s3.checkup import check_up
from tq_s3.options import Options, plain_url, without_prefix
from tq_s3.store import Store

if TYPE_CHECKING:
    from tq.contracts.serializer import Serializer
    from tq.records import Finding, TaskMeta

_KEY = "celery-task-meta-"
_LONGEST_KEY = 1024
_TRIES = 50
_FIRST_PAUSE = 0.05


class S3Backend(ResultBackend):
    """Results in a bucket that exists; Celery's `AsyncResult` reads them.

    S3 counts no members of groups: chords and saved groups are refused when they are used.
    """

    api_version = 1
    capabilities = BackendCap.DURABLE | BackendCap.SHARED
    options_type = Options

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any] | None = None,
        *,
        serializer: Serializer,
        expires: float | None = 86400.0,
    ) -> None:
        super().__init__(
            plain_url(url), without_prefix(options or {}), serializer=serializer, expires=expires
        )
        self.url = url
        self.options: Options
        self._store = Store(url, self.options)

    def __repr__(self) -> str:
        return f"S3Backend({self._store.shown!r})"

    def store(self, batch: Sequence[TaskMeta]) -> None:
        last = last_of_each(batch)
        written = [(self._key(i), write_document(meta, self.serializer), meta) for i, meta in last.items()]
        self._store.each(self._write, written)

    def get(self, task_ids: Sequence[str]) -> Mapping[str, TaskMeta]:
        found = self._store.each(self._read, list(dict.fromkeys(task_ids)))
        return {meta.task_id: meta for meta in found if meta is not None}

    def wait(self, task_ids: Sequence[str], timeout: float) -> Mapping[str, TaskMeta]:
        for _ in looks(timeout if task_ids else 0.0, _FIRST_PAUSE, self.options.poll_interval):
            ready = {i: meta for i, meta in self.get(task_ids).items() if meta.status in READY_STATES}
            if ready:
                return ready
        return {}

    def forget(self, task_ids: Sequence[str]) -> None:
        if task_ids:
            self._store.remove("forget results", [self._key(task_id) for task_id in task_ids])

    def findings(self) -> Sequence[Finding]:
        return check_up(self._store, self.expires)

    def cleanup(self) -> int:
        """Remove what was written more than `expires` seconds ago; returns how many. A lifecycle rule of the
        bucket does the same without requests."""
        if self.expires is None:
            return 0
        gone = 0
        for keys in self._store.older("list results", _KEY, self.expires):
            if keys:
                self._store.remove("remove expired results", keys)
                gone += len(keys)
        return gone

    def close(self) -> None:
        self._store.close()

    def after_fork(self) -> None:
        self._store.after_fork()

    def _key(self, task_id: str) -> str:
        key = _KEY + task_id
        if len((self._store.place.prefix + key).encode("utf-8", "surrogatepass")) > _LONGEST_KEY:
            raise BackendError(f"the id of task {task_id[:50]}... is too long for a key of S3 (1,024 bytes)")
        return key

    def _read(self, task_id: str) -> TaskMeta | None:
        found = self._store.get(f"read the result of task {task_id}", self._key(task_id))
        return None if found is None else read_document(task_id, found.data, self.serializer)

    def _write(self, item: tuple[str, bytes, TaskMeta]) -> None:
        key, data, meta = item
        doing = f"store the result of task {meta.task_id}"
        if meta.status == "SUCCESS":
            self._store.put(doing, key, data)
            return
        for _ in range(_TRIES):
            known = self._store.get(doing, key)
            if (
                known is not None
                and read_document(meta.task_id, known.data, self.serializer).status == "SUCCESS"
            ):
                return
            if self._store.put_if(doing, key, data, known):
                return
        raise BackendUnavailable(
            f"cannot {doing}: others write it all the time; try again", url=self._store.shown
        )
