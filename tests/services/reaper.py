"""A small process that ends servers and removes their folders when the process that started them is gone.

It survives what `atexit` does not: a test run that is killed. Run as a script, it reads lines `PID FOLDER` (0: no
process now) and `- FOLDER` and, at the end of its input or when it is adopted by another parent, kills each process
group still listed and removes the folders.
(PR_SET_PDEATHSIG would not do: it follows the thread that started the server, is lost when the server changes
its user, and macOS has none.)
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


class Reaper:
    """The parent's end: tells the process what to end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process id, for tests."""
        return self._process.pid

    def hold(self, folder: Path, pid: int = 0) -> None:
        """Remove `folder`, and end process group `pid` unless it is 0, when this process is gone."""
        self._send(f"{pid} {folder}")

    def forget(self, folder: Path) -> None:
        """Leave `folder` alone: it was removed here."""
        self._send(f"- {folder}")

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")


_reapers: dict[int, Reaper] = {}


def reaper() -> Reaper:
    """Return the reaper of this process (a fork has its own), starting it at first use."""
    pid = os.getpid()
    if pid not in _reapers:
        _reapers[pid] = Reaper()
    return _reapers[pid]


def _listen(parent: int) -> dict[str, int]:
    """Follow the orders until the parent is gone; return the folders and processes that are left."""
    held: dict[str, int] = {}
    rest = b""
    while os.getppid() == parent:
        # The parent is looked at as well, because a forked child of it may keep the pipe open.
        if not select.select([0], [], [], 1.0)[0]:
            continue
        data = os.read(0, 65536)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            pid, _, folder = line.decode().partition(" ")
            held.pop(folder, None)
            if pid != "-":
                held[folder] = int(pid)
    return held


def _end(held: dict[str, int]) -> None:
    for pid in filter(None, held.values()):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    time.sleep(0.2 if any(held.values()) else 0)  # helpers of a killed server see its end and go
    for folder in held:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _end(_listen(os.getppid()))
