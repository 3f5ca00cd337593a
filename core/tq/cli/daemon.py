"""Running in the background: detaching from the terminal, and the file with the process id."""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path

from tq.errors import ImproperlyConfigured


def detach() -> None:
    """Become a background process of its own session; the caller's process ends here.

    Source: W. R. Stevens, "Advanced Programming in the UNIX Environment", 13.3.
    """
    if not hasattr(os, "fork"):
        raise ImproperlyConfigured("--detach needs a system with fork")
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    sys.stdout.flush()
    sys.stderr.flush()
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)


def write_pidfile(path: str) -> None:
    """Write this process's id; the file goes when the process ends. Raises `ImproperlyConfigured` while
    another living process has it; a dead one's file is replaced."""
    file = Path(path)
    other = _living(file)
    if other is not None:
        raise ImproperlyConfigured(f"{path} belongs to process {other}, which is running; stop it first")
    file.write_text(f"{os.getpid()}\n")
    atexit.register(_remove, file, os.getpid())


def _living(file: Path) -> int | None:
    try:
        pid = int(file.read_text())
        os.kill(pid, 0)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return None
    except PermissionError:
        return pid
    return None if pid == os.getpid() else pid


def _remove(file: Path, pid: int) -> None:
    if os.getpid() == pid:
        file.unlink(missing_ok=True)
