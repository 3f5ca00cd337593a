"""Single keys of a terminal, without waiting for the end of a line."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Keys(Protocol):
    """Where keys come from."""

    def next(self, seconds: float) -> str:
        """The key that is pressed within these seconds; empty: none."""


class NoKeys:
    """Where stdin is no terminal: only INT ends the program."""

    def next(self, seconds: float) -> str:
        """None ever comes."""
        time.sleep(seconds)
        return ""


class TerminalKeys:
    """Keys of the terminal on a descriptor that is in cbreak mode."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def next(self, seconds: float) -> str:
        """Other bytes than those of one ASCII letter are no key; neither is a terminal that went away."""
        if self._descriptor is None:
            return NoKeys().next(seconds)
        ready, _, _ = select.select([self._descriptor], [], [], max(seconds, 0.0))
        if not ready:
            return ""
        raw = os.read(self._descriptor, 1)
        if not raw:
            self._descriptor = None
        return raw.decode("ascii", "replace").lower()


@contextmanager
def pressed_keys() -> Iterator[Keys]:
    """Inside, keys of stdin come one by one and are not shown; the terminal is as before afterwards."""
    try:
        import termios
        import tty
    except ImportError:  # no POSIX terminal here
        yield NoKeys()
        return
    if not sys.stdin.isatty():
        yield NoKeys()
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield TerminalKeys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
