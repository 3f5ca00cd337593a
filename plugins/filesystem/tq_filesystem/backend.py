"""A folder as result backend, with Celery's file names and documents."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tq.contracts.polling import looks
from tq.contracts.results import BackendCap, ResultBackend
from tq.errors import BackendError
from tq.states import READY_STATES
from tq.wire.result_document import read_document, write_document
from tq_filesystem.checkup import check_up
from tq_filesystem.faults import backend_faults
from tq_filesystem.files import Files, names, older, read
from tq_filesystem.groups import SAVED, Groups
from tq_filesystem.labels import file_name
from tq_filesystem.options import Options, backend_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tq.contracts.serializer import Serializer
    from tq.records import Finding, GroupCount, GroupPart, GroupStart, TaskMeta

_KEY = "celery-task-meta-"
_OWN = ".tq"
_LOCKS = 64
_FIRST_PAUSE = 0.002
_LOOKS = 20


class FilesystemBackend(ResultBackend):
    """Results in files that Celery's `AsyncResult` reads, and the other way."""

    api_version = 1
    capabilities = BackendCap.DURABLE | BackendCap.SHARED | BackendCap.GROUPS
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
        self._root = backend_folder(url).absolute()
        self._folder = str(self._root)
        # Celery removes nothing but its own names, so what is ours may lie in the same folder.
        self._files = Files(self._root / _OWN, sync=self.options.fsync, mode=self.options.permissions)
        self._groups = Groups(self._root, self._files, serializer)

    def __repr__(self) -> str:
        return f"FilesystemBackend({self._folder!r})"

    def store(self, batch: Sequence[TaskMeta]) -> None:
        documents = [(meta, write_document(meta, self.serializer)) for meta in batch]
        with backend_faults(self._folder, "store results"):
            for meta, data in documents:
                with self._locked(meta.task_id):
                    self._store(meta, data)

    def get(self, task_ids: Sequence[str]) -> Mapping[str, TaskMeta]:
        with backend_faults(self._folder, "read results"):
            found = ((task_id, self._read(task_id)) for task_id in task_ids)
            return {task_id: meta for task_id, meta in found if meta is not None}

    def wait(self, task_ids: Sequence[str], timeout: float) -> Mapping[str, TaskMeta]:
        seen: dict[str, tuple[int, int]] = {}
        for _ in looks(timeout if task_ids else 0.0, _FIRST_PAUSE, self.options.poll_interval):
            changed = [task_id for task_id in task_ids if self._changed(task_id, seen)]
            ready = {i: meta for i, meta in self.get(changed).items() if meta.status in READY_STATES}
            if ready:
                return ready
        return {}

    def findings(self) -> Sequence[Finding]:
        with backend_faults(self._folder, "look at the set-up"):
            return check_up(self._root, synced=self.options.fsync)

    def forget(self, task_ids: Sequence[str]) -> None:
        with backend_faults(self._folder, "forget results"):
            for task_id in task_ids:
                self._files.remove(self._path(task_id))

    def cleanup(self) -> int:
        if self.expires is None:
            return 0
        with backend_faults(self._folder, "remove expired results"):
            before = self._files.now() - self.expires
            removed = 0
            for name in names(self._root):
                if name.startswith((_KEY, SAVED)) and older(self._root / name, before):
                    removed += self._files.remove(self._root / name)
            return removed + self._groups.cleanup(before)

    def start_group(self, group: GroupStart, *, fresh: bool = False) -> None:
        with backend_faults(self._folder, "start a group"):
            self._groups.start(group, fresh)

    def count(self, parts: Sequence[GroupPart]) -> Sequence[GroupCount]:
        with backend_faults(self._folder, "count members of groups"):
            return [self._groups.count(part) for part in parts]

    def grow_group(self, group_id: str, task_id: str) -> None:
        with backend_faults(self._folder, "grow a group"):
            self._groups.grow(group_id, task_id)

    def end_groups(self, group_ids: Sequence[str]) -> None:
        with backend_faults(self._folder, "end groups"):
            for group_id in group_ids:
                self._groups.end(group_id)

    def save_group(self, group_id: str, structure: Any) -> None:
        with backend_faults(self._folder, "save a group"):
            self._groups.save(group_id, structure)

    def load_group(self, group_id: str) -> Any | None:
        with backend_faults(self._folder, "read a group"):
            return self._groups.load(group_id)

    def forget_group(self, group_id: str) -> None:
        with backend_faults(self._folder, "forget a group"):
            self._groups.forget(group_id)

    def close(self) -> None:
        """Nothing is kept open."""

    # -- documents -----------------------------------------------------------------------------------------

    def _path(self, task_id: str) -> Path:
        return self._root / file_name(_KEY, task_id)

    def _store(self, meta: TaskMeta, data: bytes) -> None:
        path = self._path(meta.task_id)
        if meta.status != "SUCCESS":
            known = self._read(meta.task_id)
            if known is not None and known.status == "SUCCESS":
                return
        self._files.put(path, data)

    def _read(self, task_id: str) -> TaskMeta | None:
        for look in range(_LOOKS):
            raw = read(self._path(task_id))
            if raw is None:
                return None
            try:
                return read_document(task_id, raw, self.serializer)
            except BackendError:
                # Celery writes into the file itself: what is read may not be all of it yet.
                if look == _LOOKS - 1:
                    raise
                time.sleep(0.005)
        return None

    def _changed(self, task_id: str, seen: dict[str, tuple[int, int]]) -> bool:
        with backend_faults(self._folder, "read results"):
            try:
                found = os.stat(self._path(task_id))
            except FileNotFoundError:
                return False
        # Each document of ours is a new file; one of Celery's may change within a tick of the clock.
        mark = (found.st_ino, found.st_mtime_ns if time.time() - found.st_mtime > 1.0 else -1)
        if seen.get(task_id) == mark and mark[1] != -1:
            return False
        seen[task_id] = mark
        return True

    @contextmanager
    def _locked(self, task_id: str) -> Iterator[None]:
        """Hold the lock under which a task's document is looked at and replaced; it ends with the process."""
        number = (
            int.from_bytes(hashlib.sha256(task_id.encode("utf-8", "surrogatepass")).digest()[:2], "big")
            % _LOCKS
        )
        path = self._files.root / "locks" / str(number)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            self._files.folder(path.parent)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
