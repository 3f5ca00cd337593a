"""What about a folder may lose messages or stop work."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tq.options import mask_url
from tq.records import Finding, Severity

LEAST: Final = 100 * 1024 * 1024
"""Bytes of a disk that should be free."""
LEAST_FILES: Final = 10_000
MOUNTS: Final = Path("/proc/self/mountinfo")
NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs"}
)
MEMORY: Final = frozenset({"tmpfs", "ramfs"})


def check_up(folder: Path, *, synced: bool) -> list[Finding]:
    """Look at the folder and its file system; `synced`: what is written is forced to the disk. Raises `OSError`."""
    shown = f"folder {mask_url(str(folder))}"
    there = _first_there(folder)
    found = list(_rights(there, folder, shown))
    found += _space(there, shown)
    found += _kind(kind_of(there), shown)
    if not synced:
        found.append(
            Finding(
                Severity.NOTE,
                f"{shown} is written without waiting for the disk (fsync is off): a power failure may lose what was "
                "written last",
                "set the option fsync where nothing may be lost",
            )
        )
    return found


def kind_of(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the file system that a folder lies on; None where this machine does not tell."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:  # only Linux has this file
        return None
    best, kind = -1, None
    for line in lines:
        before, _, after = line.partition(" - ")
        # Source: proc(5): the fifth field is where it is mounted, with octal escapes for blanks.
        point = Path(before.split()[4].replace("\\040", " "))
        if folder.resolve().is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind


def _first_there(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def _rights(there: Path, folder: Path, shown: str) -> Iterator[Finding]:
    places = [there, *(sorted(folder.iterdir()) if there == folder and os.access(there, os.R_OK) else [])]
    closed = [
        place for place in places if place.is_dir() and not os.access(place, os.R_OK | os.W_OK | os.X_OK)
    ]
    if closed:
        yield Finding(
            Severity.ERROR,
            f"{shown} cannot be read and written by the user of this process ({closed[0]})",
            "give the user the rights to read and write all of the folder",
        )


def _space(there: Path, shown: str) -> Iterator[Finding]:
    free = shutil.disk_usage(there).free
    if free < LEAST:
        yield Finding(
            Severity.ERROR if free < LEAST / 10 else Severity.WARNING,
            f"{shown} lies on a disk with {free // 2**20} MiB left: when it is full nothing can be sent or settled",
            "make room",
        )
    files = os.statvfs(there)
    if files.f_files and files.f_favail < LEAST_FILES:
        yield Finding(
            Severity.WARNING,
            f"{shown} lies on a file system with room for {files.f_favail} files; each message is one",
            "remove files, or take a file system with more inodes",
        )


def _kind(kind: str | None, shown: str) -> Iterator[Finding]:
    if kind in NETWORK:
        yield Finding(
            Severity.WARNING,
            f"{shown} lies on a network file system ({kind}): its caches delay messages by seconds, and a server that "
            "hangs hangs workers",
            "mount it with hard links, a short cache of attributes (actimeo=1) and the same clock on all machines, or "
            "take a broker with a server",
        )
    elif kind in MEMORY:
        yield Finding(
            Severity.WARNING,
            f"{shown} lies in memory ({kind}): a restart of the machine loses everything",
            "name a folder on a disk where nothing may be lost",
        )
