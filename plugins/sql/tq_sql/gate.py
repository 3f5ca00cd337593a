"""Keeps forks out of the SQLite library.

SQLite guards its memory and its files with mutexes of the process. A fork while another thread is inside it
leaves them locked in the child for ever, and the child hangs in its first call. So the threads of a process
go in one at a time, which the file's own lock wants from writers anyway, and a fork waits for its turn.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final


class Gate:
    """Open for one thread at a time."""

    def __init__(self) -> None:
        # Reentrant: whoever is inside may fork, or close a connection.
        self._lock = threading.RLock()
        os.register_at_fork(
            before=self._lock.acquire,
            after_in_parent=self._lock.release,
            after_in_child=self._lock.release,
        )

    @contextmanager
    def passed(self, seconds: float) -> Iterator[None]:
        """Be inside. Raises `TimeoutError` if others are there for that long."""
        if not self._lock.acquire(timeout=max(0.0, seconds)):
            raise TimeoutError("the database is locked by another thread of this process")
        try:
            yield
        finally:
            self._lock.release()


SQLITE: Final = Gate()
"""One for the process, because the library is one."""
