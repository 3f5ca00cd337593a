"""A file to which tasks of all processes append lines: what really ran, kept outside of every broker."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

VARIABLE = "TQ_TEST_LEDGER"


def write(*words: object) -> None:
    """Append one line to the ledger of this process's environment; whole lines, also with many writers."""
    descriptor = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, (" ".join(str(word) for word in words) + "\n").encode())
    finally:
        os.close(descriptor)


class Ledger:
    """The reader's end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0
        path.touch()

    def lines(self) -> list[str]:
        """Return all lines, oldest first."""
        return self.path.read_text().splitlines()

    def new_lines(self) -> list[str]:
        """Return the lines that came since the last call, oldest first."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            found = file.read()
        whole = found[: found.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.decode().splitlines()

    def counts(self) -> Counter[str]:
        """Return how often each line was written."""
        return Counter(self.lines())

    def has(self, line: str) -> bool:
        """Say whether a line was written."""
        return line in self.lines()

    def starting(self, start: str) -> list[str]:
        """Return the lines that start so, oldest first."""
        return [line for line in self.lines() if line.startswith(start)]
