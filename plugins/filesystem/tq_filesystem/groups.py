"""Groups of tasks in files.

celery-taskset-meta-<group>          {"result": structure}: a saved group, as Celery writes it
.tq/groups/<digest>/head             size, structure
.tq/groups/<digest>/parts/<member>   how a member ended; linked to its place, so its first end stands
.tq/groups/<digest>/count            grows by a byte for each part: at least as many as members ended
.tq/groups/<digest>/added/<task>     a task by which the group has grown
.tq/groups/<digest>/claim            the member that has to see to what follows
.tq/groups/<digest>/over             what follows was sent
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import msgspec

from tq.contracts.serializer import Serializer
from tq.errors import BackendError, SerializationError
from tq.records import GroupCount, GroupPart, GroupStart
from tq_filesystem.files import Files, names, older, read, ring
from tq_filesystem.labels import file_name

SAVED = "celery-taskset-meta-"


class Head(msgspec.Struct, frozen=True):
    """What a group is."""

    size: int
    structure: bytes | None


class End(msgspec.Struct, frozen=True, array_like=True):
    """How a member ended."""

    task_id: str
    index: int
    status: str
    result: bytes


_HEAD = msgspec.msgpack.Decoder(Head)
_END = msgspec.msgpack.Decoder(End)


class Groups:
    """The groups of one result backend. Raises `OSError` and `BackendError`."""

    def __init__(self, root: Path, files: Files, serializer: Serializer) -> None:
        self._root = root
        self._files = files
        self._groups = files.root / "groups"
        self._serializer = serializer

    def start(self, group: GroupStart, fresh: bool) -> None:
        """Begin to count: the folder appears with all that belongs into it."""
        structure = None if group.structure is None else self._write(group.structure)
        path, aside = self._path(group.group_id), self._files.aside / secrets.token_hex(12)
        for name in ("parts", "added"):
            self._files.folder(aside / name)
        (aside / "head").write_bytes(msgspec.msgpack.encode(Head(group.size, structure)))
        self._files.folder(self._groups)
        if fresh:
            self._remove(path)
        try:
            os.rename(aside, path)
        except OSError as exc:
            if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(aside)
        self._files.flush(self._groups)

    def count(self, part: GroupPart) -> GroupCount:
        """Note one part."""
        path, raw = self._path(part.group_id), self._write(part.result)
        head = self._head(path)
        if head is None or (path / "over").exists():
            return GroupCount()
        member = hashlib.sha256(f"{part.index}:{part.task_id}".encode("utf-8", "surrogatepass")).hexdigest()[
            :32
        ]
        mine = End(part.task_id, part.index, part.status, raw)
        try:
            first = (
                mine if self._files.create(path / "parts" / member, msgspec.msgpack.encode(mine)) else None
            )
            # Linked first, counted then: whoever gets the last number finds all parts.
            counted = ring(path / "count")
        except FileNotFoundError:
            return GroupCount()
        first = first or self._end(part.group_id, path / "parts" / member) or mine
        return self._claim(part, path, member, head, first.status != "SUCCESS", counted)

    def grow(self, group_id: str, task_id: str) -> None:
        """Expect one more."""
        path = self._path(group_id)
        if self._head(path) is not None:
            self._files.create(path / "added" / hashlib.sha256(task_id.encode()).hexdigest()[:32])

    def end(self, group_id: str) -> None:
        """Nothing is left to be done."""
        path = self._path(group_id)
        if self._head(path) is None:
            return
        self._files.create(path / "over")
        shutil.rmtree(path / "parts", ignore_errors=True)

    def save(self, group_id: str, structure: Any) -> None:
        """Keep the ids of a group."""
        self._files.put(self._root / file_name(SAVED, group_id), self._write({"result": structure}))

    def load(self, group_id: str) -> Any | None:
        """The ids of a group, or None."""
        raw = read(self._root / file_name(SAVED, group_id))
        if raw is None:
            return None
        try:
            return self._serializer.loads(raw)["result"]
        except (SerializationError, TypeError, KeyError) as exc:
            raise BackendError(f"the saved group {group_id} cannot be read: {exc}") from exc

    def forget(self, group_id: str) -> None:
        """Remove what `save` kept."""
        self._files.remove(self._root / file_name(SAVED, group_id))

    def cleanup(self, before: float) -> int:
        """Remove the groups in which nothing has happened since; how many."""
        old = [
            path
            for name in names(self._groups)
            if older(path := self._groups / name, before) and not _younger(path / "count", before)
        ]
        for path in old:
            self._remove(path)
        return len(old)

    # -- claims --------------------------------------------------------------------------------------------

    def _claim(
        self, part: GroupPart, path: Path, member: str, head: Head, failed: bool, counted: int
    ) -> GroupCount:
        claim = read(path / "claim")
        if claim is None and (failed or self._complete(path, head, counted)):
            try:
                self._files.create(path / "claim", member.encode())
            except FileNotFoundError:
                return GroupCount()
            claim = read(path / "claim")
        if claim != member.encode():
            return GroupCount()
        ends = [
            end for name in names(path / "parts") if (end := self._end(part.group_id, path / "parts" / name))
        ]
        parts = [self._part(part.group_id, end) for end in sorted(ends, key=lambda end: end.index)]
        structure = None if head.structure is None else self._load(part.group_id, head.structure)
        return GroupCount(True, tuple(parts), structure)

    def _complete(self, path: Path, head: Head, counted: int) -> bool:
        expected = head.size + len(names(path / "added"))
        return counted >= expected and len(names(path / "parts")) >= expected

    def _path(self, group_id: str) -> Path:
        return self._groups / hashlib.sha256(group_id.encode("utf-8", "surrogatepass")).hexdigest()[:40]

    def _head(self, path: Path) -> Head | None:
        raw = read(path / "head")
        return None if raw is None else _HEAD.decode(raw)

    def _end(self, group_id: str, path: Path) -> End | None:
        raw = read(path)
        try:
            return None if raw is None else _END.decode(raw)
        except msgspec.MsgspecError as exc:
            raise BackendError(f"a member of group {group_id} cannot be read: {exc}") from exc

    def _part(self, group_id: str, end: End) -> GroupPart:
        return GroupPart(group_id, end.index, end.task_id, end.status, self._load(group_id, end.result))

    def _remove(self, path: Path) -> None:
        aside = self._files.aside / secrets.token_hex(12)
        if self._files.move(path, aside):
            shutil.rmtree(aside, ignore_errors=True)

    def _load(self, group_id: str, raw: bytes) -> Any:
        try:
            return self._serializer.loads(raw)
        except SerializationError as exc:
            raise BackendError(f"a member of group {group_id} cannot be read: {exc}") from exc

    def _write(self, value: Any) -> bytes:
        try:
            return self._serializer.dumps(value)
        except SerializationError as exc:
            raise BackendError(f"a member of a group cannot be stored: {exc}") from exc


def _younger(path: Path, moment: float) -> bool:
    return path.exists() and not older(path, moment)
