"""Imports of the parent's other threads, and forks between them.

A module that is being imported has a lock, which Python does not renew in a forked child: what another thread imports at
the moment of a fork, no thread of the child can ever import. So a pool forks while nobody imports.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from importlib import _bootstrap

logger = logging.getLogger("tq.pool")

PATIENCE = 10.0
"""Seconds that forks wait for imports: one that takes longer may never end."""


def under_way() -> list[str]:
    """Names of the modules that other threads import now; none where Python does not have CPython's books."""
    me, locks = threading.get_ident(), vars(_bootstrap).get("_module_locks", {})
    found = ((name, ref()) for name, ref in locks.copy().items())
    return sorted(name for name, lock in found if getattr(lock, "owner", None) not in (None, me))


class ImportGate:
    """Closed while another thread imports. Belongs to the thread that forks; waits for nothing."""

    def __init__(self) -> None:
        self._closed_at: float | None = None
        self._kept = True

    def look(self) -> bool:
        """Whether to fork now. What has been imported for longer than `PATIENCE` is not waited for, but told of."""
        names, now = under_way(), time.monotonic()
        if not names:
            self._closed_at, self._kept = None, True
            return True
        self._closed_at = now if self._closed_at is None else self._closed_at
        self._kept = now - self._closed_at <= PATIENCE
        if not self._kept:
            logger.warning(
                "forking although another thread has been importing %s for %g s: a child that needs it will hang",
                ", ".join(names),
                PATIENCE,
            )
        return not self._kept

    def check_child(self) -> None:
        """In the child: end at once where an import began between the look and the fork. Another one takes its place."""
        names = under_way() if self._kept else ()
        if names:
            # Whatever writes logs may need what cannot be imported.
            os.write(
                2, f"pid {os.getpid()} was forked in the middle of an import: {', '.join(names)}\n".encode()
            )
            os._exit(1)
