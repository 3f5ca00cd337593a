"""From what the operating system answers to sentences: what failed, where, why, and the next step."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from tq.errors import BackendError, BackendUnavailable, BrokerError, BrokerUnavailable

_ADVICE = {
    errno.EACCES: "give the user of this process the rights to read and write all of the folder",
    errno.EPERM: "give the user of this process the rights to read and write all of the folder; its file system must "
    "also know hard links",
    errno.EROFS: "it lies on a file system that is mounted for reading only",
    errno.ENOTDIR: "a part of the path is a file; name a folder",
    errno.EEXIST: "a part of the path is a file; name a folder",
    errno.EXDEV: "all of the folder must lie on one file system",
    errno.EOPNOTSUPP: "its file system knows no hard links; take another one",
    errno.ENAMETOOLONG: "name a folder with a shorter path",
    errno.ELOOP: "its links lead in a circle",
}
_TEMPORARY = {
    errno.ENOSPC: "its disk is full: make room",
    errno.EDQUOT: "its quota is used up: make room",
    errno.EMFILE: "this process has too many open files: raise its limit",
    errno.ENFILE: "this machine has too many open files",
    errno.ENOENT: "it is not there: is it mounted?",
}
_OTHERS = "check that the disk or the server behind it works"


@contextmanager
def broker_faults(folder: str, doing: str) -> Iterator[None]:
    """Turn an `OSError`, or that of a name without bytes, into a `BrokerError`; `doing` completes "cannot ..."."""
    try:
        yield
    except (OSError, UnicodeError) as exc:
        sentence, temporary = _sentence(exc, folder, doing)
        raise (BrokerUnavailable if temporary else BrokerError)(sentence, url=folder) from exc


@contextmanager
def backend_faults(folder: str, doing: str) -> Iterator[None]:
    """The same into a `BackendError`."""
    try:
        yield
    except (OSError, UnicodeError) as exc:
        sentence, temporary = _sentence(exc, folder, doing)
        raise (BackendUnavailable if temporary else BackendError)(sentence, url=folder) from exc


def _sentence(exc: OSError | UnicodeError, folder: str, doing: str) -> tuple[str, bool]:
    if isinstance(exc, UnicodeError):
        return (
            f"cannot {doing}: folder {folder}: {exc}; name queues, tasks and groups by text that has bytes",
            False,
        )
    number = exc.errno or 0
    advice = _ADVICE.get(number) or _TEMPORARY.get(number, _OTHERS)
    name = f" ({exc.filename})" if exc.filename else ""
    reason = exc.strerror or type(exc).__name__
    return f"cannot {doing}: folder {folder}: {reason}{name}; {advice}", number not in _ADVICE
