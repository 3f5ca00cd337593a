"""Files that appear whole or not at all: written aside, then linked or renamed to their place."""

from __future__ import annotations

import os
from pathlib import Path

from tq.wire.ids import new_id


class Files:
    """One folder. `sync`: wait for the disk. Paths are absolute, on one file system. Raises `OSError`."""

    def __init__(self, root: Path, *, sync: bool, mode: int) -> None:
        self.root = root
        self.aside = root / "tmp"
        self._sync = sync
        self._mode = mode

    def folder(self, path: Path) -> None:
        """Make a folder and those above it, where they are missing."""
        if path.is_dir():
            return
        if path != path.parent:
            self.folder(path.parent)
        path.mkdir(self._mode, exist_ok=True)

    def write(self, data: bytes) -> str:
        """A new file aside, with a name that nobody else has; its path."""
        path = f"{self.aside}/{new_id()}"
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self._mode & 0o666)
        except FileNotFoundError:
            self.folder(self.aside)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self._mode & 0o666)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            if self._sync:
                os.fsync(handle)
        except BaseException:
            self.remove(path)
            raise
        finally:
            os.close(handle)
        return path

    def put(self, path: Path, data: bytes) -> None:
        """Write or replace a file."""
        aside = self.write(data)
        try:
            os.rename(aside, path)
        except BaseException:
            self.remove(aside)
            raise
        self.flush(path.parent)

    def create(self, path: Path, data: bytes = b"") -> bool:
        """Write a file unless there is one; whether this made it."""
        aside = self.write(data)
        try:
            os.link(aside, path)
        except FileExistsError:
            return False
        finally:
            self.remove(aside)
        self.flush(path.parent)
        return True

    def move(self, source: Path | str, target: Path | str, *, flush: bool = True) -> bool:
        """Rename; whether the source was there. Raises `FileNotFoundError` where the target's folder is not.

        Without `flush` the caller has the disk take the folder's names, once for a batch.
        """
        try:
            os.rename(source, target)
        except FileNotFoundError:
            if os.path.lexists(source):
                raise
            return False
        if flush and self._sync:
            self.flush(Path(target).parent)
        return True

    def remove(self, path: Path | str) -> bool:
        """Unlink; whether it was there."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            return False
        return True

    def now(self) -> float:
        """Unix seconds by the clock of the file system, which is one for all machines."""
        clock = self.root / "clock"
        try:
            os.utime(clock)
        except FileNotFoundError:
            self.folder(self.root)
            ring(clock)
            os.utime(clock)
        return os.stat(clock).st_mtime

    def flush(self, folder: Path | str) -> None:
        """Let the disk have the names in a folder."""
        if not self._sync:
            return
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read(path: Path | str) -> bytes | None:
    """All of a file, or None."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        # Whose size is told needs no second read to learn that it is over. None of tq's grows once it has its name.
        parts, left = [], os.fstat(handle).st_size or 1
        while left > 0 and (part := os.read(handle, left)):
            parts.append(part)
            left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    finally:
        os.close(handle)


def names(folder: Path | str) -> list[str]:
    """What lies in a folder, hidden files left out; nothing where there is no folder."""
    try:
        return [name for name in os.listdir(folder) if not name.startswith(".")]
    except FileNotFoundError:
        return []


def size(path: Path | str) -> int:
    """Bytes of a file, -1 where there is none."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return -1


def older(path: Path, moment: float) -> bool:
    """Whether a file, or a folder, was last changed at that moment or before; False where there is none."""
    try:
        return path.stat().st_mtime <= moment
    except FileNotFoundError:
        return False


def ring(path: Path | str) -> int:
    """Let a file grow by a byte; its size then. Whoever keeps an older size knows that something happened."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(handle, b".")
        return os.fstat(handle).st_size
    finally:
        os.close(handle)
