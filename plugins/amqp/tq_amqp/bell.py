"""A bell that a signal handler may ring: a pipe, so that whoever waits for a socket hears it too."""

from __future__ import annotations

import contextlib
import os


class Bell:
    """`ring` takes no lock and does not block."""

    def __init__(self) -> None:
        self.fd, self._write = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write, False)

    def ring(self) -> None:
        """Wake who waits now, or who will wait next. Harmless after `close`."""
        with contextlib.suppress(OSError):
            os.write(self._write, b"!")

    def rang(self) -> bool:
        """Whether it was rung since this was last asked."""
        try:
            return bool(os.read(self.fd, 4096))
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Give the pipe back."""
        if self._write >= 0:
            os.close(self.fd)
            os.close(self._write)
            self._write = -1
