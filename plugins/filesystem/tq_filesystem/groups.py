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
from tq.records import GroupCount, GroupPart, GroupStart
from tq.wire.group_document import (
    End,
    end_of,
    part_of,
    read_end,
    read_saved,
    read_value,
    write_end,
    write_saved,
    write_value,
)
from tq_filesystem.files import Files, names, older, read, ring
from tq_filesystem.labels import file_name

SAVED = "celery-taskset-meta-"


class Head(msgspec.Struct, frozen=True):
    """What a group is."""

    size: int
    structure: bytes | None


_HEAD = msgspec.msgpack.Decoder(Head)


class Groups:
    """The groups of one result backend. Raises `OSError` and `BackendError`."""

    def __init__(self, root: Path, files: Files, serializer: Serializer) -> None:
        self._root = root
        self._files = files
        self._groups = files.root / "groups"
        self._serializer = serializer

    def start(self, group: GroupStart, fresh: bool) -> None:
        """Begin to count: the folder appears with all that belongs into it."""
        structure = None if group.structure is None else write_value(group.structure, self._serializer)
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
        path, mine = self._path(part.group_id), end_of(part, self._serializer)
        head = self._head(path)
        if head is None or (path / "over").exists():
            return GroupCount()
        member = hashlib.sha256(f"{part.index}:{part.task_id}".encode("utf-8", "surrogatepass")).hexdigest()[
            :32
        ]
        try:
            first = mine if self._files.create(path / "parts" / member, write_end(mine)) else None
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
        self._files.put(self._root / file_name(SAVED, group_id), write_saved(structure, self._serializer))

    def load(self, group_id: str) -> Any | None:
        """The ids of a group, or None."""
        raw = read(self._root / file_name(SAVED, group_id))
        return None if raw is None else read_saved(group_id, raw, self._serializer)

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
        ends.sort(key=lambda end: end.index)
        parts = [part_of(part.group_id, end, self._serializer) for end in ends]
        structure = None
        if head.structure is not None:
            structure = read_value(part.group_id, head.structure, self._serializer)
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
        return None if raw is None else read_end(group_id, raw)

    def _remove(self, path: Path) -> None:
        aside = self._files.aside / secrets.token_hex(12)
        if self._files.move(path, aside):
            shutil.rmtree(aside, ignore_errors=True)


def _younger(path: Path, moment: float) -> bool:
    return path.exists() and not older(path, moment)
