"""What a worker's processes use, read from /proc."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def family(session: int) -> list[int]:
    """The processes of a session, so that a worker may make groups of its own."""
    text = subprocess.run(["ps", "-e", "-o", "sess=,pid="], capture_output=True, text=True, check=True).stdout
    return [int(pid) for sess, pid in (line.split() for line in text.splitlines()) if int(sess) == session]


def tree(root: int) -> list[int]:
    """A process with all that it has started, also where these have made sessions of their own."""
    text = subprocess.run(["ps", "-e", "-o", "ppid=,pid="], capture_output=True, text=True, check=True).stdout
    pairs = [(int(parent), int(pid)) for parent, pid in (line.split() for line in text.splitlines())]
    found = [root]
    for known in found:
        found.extend(pid for parent, pid in pairs if parent == known)
    return found


def end(session: int) -> None:
    """Kill all processes of a session. What they held is not needed: each measurement begins with an empty store."""
    for pid in family(session):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def processor_seconds(pids: Iterable[int]) -> float:
    """Seconds of processor time of these processes with all their threads, to the nanosecond."""
    return sum(map(_nanoseconds, pids)) / 1e9


def _nanoseconds(pid: int) -> int:
    # "man 5 proc_pid_schedstat": time on a processor, time waiting for one, slices. `stat` counts in steps of 10 ms.
    used = 0
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            used += int((task / "schedstat").read_text().split()[0])
    return used


def proportional_mib(pids: Iterable[int]) -> float:
    """MiB of memory, what is shared counted in parts."""
    return sum(_kib(Path(f"/proc/{pid}/smaps_rollup")) for pid in pids) / 1024


def _kib(file: Path) -> int:
    return next(int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith("Pss:"))
