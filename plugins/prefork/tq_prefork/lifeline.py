"""A child dies when its parent does, even when that one was killed without a word."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Looked up in the parent: a forked child should load nothing.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


class Lifeline:
    """A pipe that only the parent can write to, so that its end is the end of the parent.

    On Linux the kernel kills the child at once as well, also while one long C call holds its interpreter lock.
    """

    def __init__(self) -> None:
        self._parent = os.getpid()
        self._reader, self._writer = os.pipe()

    def follow(self) -> None:
        """Called in the child: from now on it does not outlive its parent."""
        os.close(self._writer)
        if _prctl is not None:
            _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != self._parent:
            os._exit(1)
        threading.Thread(target=self._watch, name="tq-lifeline", daemon=True).start()

    def _watch(self) -> None:
        os.read(self._reader, 1)
        os._exit(1)

    def close(self) -> None:
        """Called in the parent, when no child is left."""
        os.close(self._reader)
        os.close(self._writer)
