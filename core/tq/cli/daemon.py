"""Running in the background: detaching from the terminal, and the file with the process id."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from pathlib import Path

from tq.errors import ImproperlyConfigured


def detach() -> Callable[[], None]:
    """Become a background process of its own session; returns what to call once everything is well.

    The caller's process waits for that call and ends with status 0, or with 1 where the background process
    ended before it. Until then errors still go to the terminal. Source: W. R. Stevens, "Advanced Programming
    in the UNIX Environment", 13.3.
    """
    if not hasattr(os, "fork"):
        raise ImproperlyConfigured("--detach needs a system with fork; start the worker as a service instead")
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        os._exit(0 if os.read(reader, 1) else 1)
    os.close(reader)
    os.setsid()
    if os.fork():
        os._exit(0)

    def started() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.close(null)
        os.write(writer, b".")
        os.close(writer)

    return started


def expand_path(pattern: str, hostname: str) -> str:
    """A path with the node name in it: `%n` its part before the @, `%d` the part after, `%h` all of it.

    Celery's `%i` and `%I`, a file for each child, become 0 and nothing: the children of tq share one file.
    """
    name, _, domain = hostname.partition("@")
    for sign, value in (("%n", name), ("%d", domain), ("%h", hostname), ("%i", "0"), ("%I", "")):
        pattern = pattern.replace(sign, value)
    return pattern


def write_pidfile(path: str) -> None:
    """Write this process's id; the file goes when the process ends.

    Raises `ImproperlyConfigured` while another living process has it, or where it cannot be written; the file
    of a dead process is replaced.
    """
    file = Path(path).absolute()
    other = _living(file)
    if other is not None:
        raise ImproperlyConfigured(f"{path} belongs to process {other}, which is running; stop it first")
    try:
        file.unlink(missing_ok=True)
        with file.open("x") as new:
            new.write(f"{os.getpid()}\n")
    except FileExistsError as exc:
        raise ImproperlyConfigured(f"{path} was just written by another worker") from exc
    except OSError as exc:
        raise ImproperlyConfigured(f"cannot write the pid file {path}: {exc.strerror}") from exc
    atexit.register(_remove, file, os.getpid())


def _living(file: Path) -> int | None:
    try:
        pid = int(file.read_text())
        os.kill(pid, 0)
    except (OSError, ValueError) as exc:
        # Somebody else's process may not be signalled, but it lives.
        return pid if isinstance(exc, PermissionError) and exc.filename is None else None
    return None if pid == os.getpid() else pid


def _remove(file: Path, pid: int) -> None:
    if os.getpid() == pid:
        file.unlink(missing_ok=True)
