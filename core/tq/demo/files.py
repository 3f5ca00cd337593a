"""The text files below a folder."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import msgspec

LARGEST = 32 * 1024 * 1024
_PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages"})
_LOOK = 8192


class Found(msgspec.Struct, frozen=True):
    """Files to count, and how many were left out for which reason."""

    paths: list[Path]
    skipped: dict[str, int]


def default_path() -> Path:
    """The source of Python's standard library."""
    return Path(sysconfig.get_path("stdlib"))


def find(root: Path, limit: int | None = None) -> Found:
    """The files below `root`, or `root` itself, in the order of their names; at most `limit`.

    Hidden files, caches, links and installed packages are passed over; what is binary, larger than `LARGEST`
    or cannot be read is counted as skipped.
    """
    paths: list[Path] = []
    skipped: dict[str, int] = {}
    for path in _walk(root):
        if limit is not None and len(paths) >= limit:
            break
        reason = _unfit(path)
        if reason is None:
            paths.append(path)
        else:
            skipped[reason] = skipped.get(reason, 0) + 1
    return Found(paths, skipped)


def _walk(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _PASSED_OVER and name[0] != ".")
        for name in sorted(names):
            path = Path(folder, name)
            if name[0] != "." and not path.is_symlink():
                yield path


def _unfit(path: Path) -> str | None:
    """Why a file is skipped. A NUL byte is what tells binary files from text in any common encoding."""
    try:
        if not path.is_file():
            return "no regular file"
        with path.open("rb") as file:
            if b"\0" in file.read(_LOOK):
                return "binary"
        return "too large" if path.stat().st_size > LARGEST else None
    except OSError:
        return "unreadable"
