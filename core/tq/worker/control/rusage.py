"""What the system says of this process."""

from __future__ import annotations

import os
import sys
from typing import Any

_FIELDS = (
    "utime",
    "stime",
    "maxrss",
    "ixrss",
    "idrss",
    "isrss",
    "minflt",
    "majflt",
    "nswap",
    "inblock",
    "oublock",
    "msgsnd",
    "msgrcv",
    "nsignals",
    "nvcsw",
    "nivcsw",
)


def rusage() -> dict[str, Any] | str:
    """Celery's dictionary of the worker's main process; "N/A" where the system has no such thing."""
    try:
        import resource
    except ImportError:
        return "N/A"
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {name: getattr(used, f"ru_{name}") for name in _FIELDS}


def resident() -> int:
    """Bytes of memory that this process has now; on systems that do not say, the most that it had."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        found = rusage()
        most = found["maxrss"] if isinstance(found, dict) else 0
        return int(most) * (1 if sys.platform == "darwin" else 1024)
