"""A program on a pseudo-terminal, as a person sees it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from typing import Self

from tq.testing.waiting import GENEROUS

_CODES = re.compile(r"\x1b(?:\[[0-9;?]*[a-zA-Z]|[=>])")


class Terminal:
    """Runs `tq ARGUMENTS` on a terminal of 40 lines and 140 columns, and ends it with its block."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._written = ""

    def __enter__(self) -> Self:
        self._pid, self._descriptor = pty.fork()
        if self._pid == 0:
            # Not what C code has set beside it: readline sets COLUMNS, which would win over the terminal's size.
            environment = {**os.environ, "TERM": "xterm"}
            for name in ("COLUMNS", "LINES"):
                environment.pop(name, None)
            os.execve(sys.executable, [sys.executable, "-m", "tq", *self._arguments], environment)
        size = struct.pack("HHHH", 40, 140, 0, 0)
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, size)
        return self

    def __exit__(self, *exc: object) -> None:
        print(f"--- the terminal showed last\n{self.text[-5000:]}")
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._descriptor)

    @property
    def text(self) -> str:
        """What was written since the last `forget`, without codes."""
        return _CODES.sub("", self._written).replace("\r", "")

    def forget(self) -> None:
        """Look at what comes from now on."""
        self._written = ""

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._descriptor, keys.encode())

    def wait_for(self, pattern: str, seconds: float = GENEROUS) -> None:
        """Read until what was written matches."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, f"{pattern!r} was not shown within {seconds:g} s"
            assert self._read() or re.search(pattern, self.text), f"it ended before it showed {pattern!r}"

    def wait(self) -> int:
        """Read until it ends; returns its status."""
        while self._read():
            continue
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        """Read a piece; False: it has ended."""
        if not select.select([self._descriptor], [], [], 0.2)[0]:
            return True
        try:
            raw = os.read(self._descriptor, 65536)
        except OSError:  # the other side of the terminal is closed
            return False
        self._written += raw.decode("utf-8", "replace")
        return bool(raw)
