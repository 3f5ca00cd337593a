"""The folder of the client library's multi-process mode: made, kept small, and removed.

Each process writes files of its own, by its process id (`counter_PID.db`, `gauge_livesum_PID.db`, ...), and the sum of
all is what is shown. Counts of children that are gone must not go with them, and a worker that replaces its children
would leave more and more files: they are added up in files of their own.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

if sys.platform != "win32":
    import fcntl

logger = logging.getLogger("tq.prometheus")

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where the client library looks for the folder."""
_PREFIX = "tq-metrics-"
_SUMS = "0"
"""In place of a process id: those who are gone."""
_LOCK = "tq.lock"
_FILE = re.compile(r"(?P<kind>counter|histogram|summary|gauge_\w+)_(?P<pid>\d+)\.db")


class Folder:
    """The folder of this worker and of its children."""

    def __init__(self, path: Path, *, is_own: bool) -> None:
        self.path = path
        self._is_own = is_own
        self._owner = os.getpid()

    @classmethod
    def open(cls) -> Folder:
        """The folder that the environment names, else one that is made, and named there. Leftovers of workers that
        were killed are removed."""
        named = os.environ.get(VARIABLE)
        if named:
            path = Path(named)
            path.mkdir(parents=True, exist_ok=True)
            return cls(path, is_own=False)
        _remove_leftovers(Path(tempfile.gettempdir()))
        path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        os.environ[VARIABLE] = str(path)
        # The library looks at the variable when it is imported; a program may have done that before.
        values.ValueClass = values.get_value_class()  # type: ignore[misc, no-untyped-call, unused-ignore]
        return cls(path, is_own=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Inside, no other process adds up."""
        # A record lock, for a child that is forked meanwhile must not inherit it: it would keep it for life.
        with open(self.path / _LOCK, "a") as file:
            if sys.platform != "win32":
                fcntl.lockf(file, fcntl.LOCK_EX)
            yield

    def sweep(self) -> None:
        """Add up what processes left that are gone. Call with the lock held."""
        for file in self.path.glob("*.db"):
            found = _FILE.fullmatch(file.name)
            if found and found["pid"] != _SUMS and not _lives(int(found["pid"])):
                if not found["kind"].startswith("gauge"):
                    _add(file, self.path / f"{found['kind']}_{_SUMS}.db")
                if not found["kind"].startswith("gauge") or found["kind"].startswith("gauge_live"):
                    file.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder, where this process made it."""
        if self._is_own and os.getpid() == self._owner:
            if os.environ.get(VARIABLE) == str(self.path):
                del os.environ[VARIABLE]
                values.ValueClass = values.get_value_class()  # type: ignore[misc, no-untyped-call, unused-ignore]
            shutil.rmtree(self.path, ignore_errors=True)


def _add(source: Path, target: Path) -> None:
    sums = MmapedDict(str(target))  # type: ignore[no-untyped-call, unused-ignore]
    try:
        for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(str(source)):  # type: ignore[no-untyped-call, unused-ignore]
            before, _ = sums.read_value(key)  # type: ignore[no-untyped-call, unused-ignore]
            sums.write_value(key, before + value, timestamp)  # type: ignore[no-untyped-call, unused-ignore]
    finally:
        sums.close()  # type: ignore[no-untyped-call, unused-ignore]


def _remove_leftovers(folder: Path) -> None:
    for path in folder.glob(f"{_PREFIX}*"):
        pid = path.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not _lives(int(pid)):
            logger.info("removing %s, which a worker left that is gone", path)
            shutil.rmtree(path, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
