"""The memory result backend: for tests, with the same documents and bytes as on a server.

`memory://NAME` (or `cache+memory://NAME`) names a store of this process; every `MemoryBackend` of one name
shares it. A store lives until `MemoryBackend.reset()`. A forked child starts with empty stores.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from tq.contracts.results import BackendCap, ResultBackend
from tq.errors import BackendError, SerializationError
from tq.records import GroupCount, GroupPart, GroupStart, TaskMeta
from tq.results.groups import Groups
from tq.states import READY_STATES

if TYPE_CHECKING:
    from tq.contracts.serializer import Serializer

_EXTENDED = ("name", "args", "kwargs", "worker", "retries", "queue")
_OPTIONAL = ("group_id", "parent_id")


@dataclass(slots=True)
class _Document:
    status: str
    raw: bytes
    until: float


@dataclass(slots=True)
class _Store:
    changed: threading.Condition = field(default_factory=threading.Condition)
    documents: dict[str, _Document] = field(default_factory=dict)
    groups: Groups = field(default_factory=Groups)

    def put(self, task_id: str, document: _Document) -> None:
        old = self.find(task_id)
        if old is None or old.status != "SUCCESS" or document.status == "SUCCESS":
            self.documents[task_id] = document

    def find(self, task_id: str) -> _Document | None:
        document = self.documents.get(task_id)
        if document is not None and document.until <= time.monotonic():
            del self.documents[task_id]
            return None
        return document

    def find_all(self, task_ids: Sequence[str]) -> dict[str, _Document]:
        return {task_id: found for task_id in task_ids if (found := self.find(task_id))}

    def ready(self, task_ids: Sequence[str]) -> dict[str, _Document]:
        return {
            i: document for i, document in self.find_all(task_ids).items() if document.status in READY_STATES
        }


class MemoryBackend(ResultBackend):
    """Results in this process's memory; see the module's text."""

    api_version: ClassVar[int] = 1
    capabilities = BackendCap.PUSH | BackendCap.EXPIRES | BackendCap.GROUPS
    _stores: ClassVar[dict[str, _Store]] = {}

    def __init__(
        self,
        url: str = "memory://",
        options: Mapping[str, Any] | None = None,
        *,
        serializer: Serializer,
        expires: float | None = 86400.0,
    ) -> None:
        super().__init__(url, options, serializer=serializer, expires=expires)
        self._name = url.partition("://")[2].partition("?")[0]
        self._store = self._stores.setdefault(self._name, _Store())

    @classmethod
    def reset(cls, name: str | None = None) -> None:
        """Forget the store of this name, or all of them. Backends that are open keep what they had."""
        for each in [name] if name is not None else list(cls._stores):
            cls._stores.pop(each, None)

    def store(self, batch: Sequence[TaskMeta]) -> None:
        until = self._until()
        documents = [(meta.task_id, _Document(meta.status, self._write(meta), until)) for meta in batch]
        with self._store.changed:
            for task_id, document in documents:
                self._store.put(task_id, document)
            self._store.changed.notify_all()

    def get(self, task_ids: Sequence[str]) -> Mapping[str, TaskMeta]:
        with self._store.changed:
            found = self._store.find_all(task_ids)
        return {task_id: self._read(document) for task_id, document in found.items()}

    def wait(self, task_ids: Sequence[str], timeout: float) -> Mapping[str, TaskMeta]:
        until = time.monotonic() + timeout
        with self._store.changed:
            while not (found := self._store.ready(task_ids)) and (left := until - time.monotonic()) > 0:
                self._store.changed.wait(left)
        return {task_id: self._read(document) for task_id, document in found.items()}

    def forget(self, task_ids: Sequence[str]) -> None:
        with self._store.changed:
            for task_id in task_ids:
                self._store.documents.pop(task_id, None)

    def start_group(self, group: GroupStart, *, fresh: bool = False) -> None:
        structure = None if group.structure is None else self._pack(group.structure)
        with self._store.changed:
            self._store.groups.start(group.group_id, group.size, structure, fresh, self._until())

    def count(self, parts: Sequence[GroupPart]) -> Sequence[GroupCount]:
        packed = [(part, self._pack(part.result)) for part in parts]
        with self._store.changed:
            found = [self._store.groups.count(part, raw, self._until()) for part, raw in packed]
        return [self._counted(*each) for each in found]

    def _counted(self, rows: list[tuple[GroupPart, bytes]] | None, structure: bytes | None) -> GroupCount:
        if rows is None:
            return GroupCount()
        parts = [msgspec.structs.replace(part, result=self.serializer.loads(raw)) for part, raw in rows]
        return GroupCount(True, tuple(parts), None if structure is None else self.serializer.loads(structure))

    def grow_group(self, group_id: str, task_id: str) -> None:
        with self._store.changed:
            self._store.groups.grow(group_id, task_id)

    def end_groups(self, group_ids: Sequence[str]) -> None:
        with self._store.changed:
            for group_id in group_ids:
                self._store.groups.end(group_id)

    def save_group(self, group_id: str, structure: Any) -> None:
        raw = self._pack(structure)
        with self._store.changed:
            self._store.groups.saved[group_id] = (raw, self._until())

    def load_group(self, group_id: str) -> Any | None:
        with self._store.changed:
            raw, until = self._store.groups.saved.get(group_id, (b"", 0.0))
        return self.serializer.loads(raw) if until > time.monotonic() else None

    def forget_group(self, group_id: str) -> None:
        with self._store.changed:
            self._store.groups.saved.pop(group_id, None)

    def close(self) -> None:
        """There is no connection to close."""

    def after_fork(self) -> None:
        # The parent's lock may be held by a thread that does not exist here, and the memory is no longer shared.
        self._store = type(self)._stores[self._name] = _Store()

    def _until(self) -> float:
        return float("inf") if self.expires is None else time.monotonic() + self.expires

    def _pack(self, value: Any) -> bytes:
        try:
            return self.serializer.dumps(value)
        except SerializationError as exc:
            raise BackendError(f"a member's result cannot be stored: {exc}") from exc

    def _write(self, meta: TaskMeta) -> bytes:
        document = msgspec.structs.asdict(meta)
        if meta.name is None:
            for key in _EXTENDED:
                del document[key]
        for key in _OPTIONAL:
            if document[key] is None:
                del document[key]
        try:
            return self.serializer.dumps(document)
        except SerializationError as exc:
            raise BackendError(f"the result of task {meta.task_id} cannot be stored: {exc}") from exc

    def _read(self, document: _Document) -> TaskMeta:
        return msgspec.convert(self.serializer.loads(document.raw), TaskMeta)
