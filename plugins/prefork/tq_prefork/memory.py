"""The resident memory of other processes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

_PROC = Path("/proc")


def resident(pids: Sequence[int]) -> dict[int, int]:
    """KiB of resident memory by process id; a process that is gone is left out.

    Source: proc(5), statm, second field in pages; elsewhere `ps -o rss`, in KiB.
    """
    if not pids:
        return {}
    return _from_proc(pids) if (_PROC / "self" / "statm").exists() else _from_ps(pids)


def _from_proc(pids: Sequence[int]) -> dict[int, int]:
    page = os.sysconf("SC_PAGE_SIZE") // 1024
    sizes = {}
    for pid in pids:
        try:
            fields = (_PROC / str(pid) / "statm").read_bytes().split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        sizes[pid] = int(fields[1]) * page
    return sizes


def _from_ps(pids: Sequence[int]) -> dict[int, int]:
    command = ["ps", "-o", "pid=,rss=", "-p", ",".join(map(str, pids))]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return {int(pid): int(size) for pid, size in (line.split() for line in lines)}
