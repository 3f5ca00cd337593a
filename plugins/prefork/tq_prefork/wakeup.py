"""Waking a sleeping supervisor, from signal handlers and from other threads."""

from __future__ import annotations

import contextlib
import socket


class Wakeup:
    """A pair of sockets: `set` makes `fileno` readable."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        """What to poll."""
        return self._reader.fileno()

    def set(self) -> None:
        """Wake the sleeper. Takes no lock, so that a signal handler may interrupt itself."""
        # A full buffer wakes as well as one more byte, and a closed socket has nobody asleep behind it.
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def clear(self) -> None:
        """Sleep again next time."""
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(4096)

    def close(self) -> None:
        """Free the sockets."""
        self._reader.close()
        self._writer.close()
