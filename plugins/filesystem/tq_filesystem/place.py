"""The folder of a broker: what lies where in it, and its clock.

queues/<queue>/ready/      messages that wait
queues/<queue>/delayed/    those that are not due
queues/<queue>/arriving/   unique messages on their way, see `uniques`
queues/<queue>/dead/ why/  dead letters, and their reasons
queues/<queue>/bell        grows whenever a message comes
consumers/<consumer>/      what a consumer holds, and its last heartbeat
ended/<consumer>/          the same of a dead one, until it is empty; then a file past/<consumer>
staged/ commits/           settlements that publish, see `commits`
unique/<digest>            marks of unique messages
revocations/<version>      revocations
clock                      touched to learn the time of the file system, which is one for all machines
"""

from __future__ import annotations

import os
from pathlib import Path

from tq_filesystem.files import Files, read, ring
from tq_filesystem.labels import key_of, name_of

_LOUD = 2**20
_FOLDERS = ("ready", "delayed", "arriving", "dead", "why")


class Place:
    """Paths and time of one folder. Raises `OSError`."""

    def __init__(self, root: Path, *, sync: bool, mode: int) -> None:
        self.root = root
        self.files = Files(root, sync=sync, mode=mode)
        self.consumers = root / "consumers"
        self.ended = root / "ended"
        self.past = root / "past"
        self.staged = root / "staged"
        self.commits = root / "commits"
        self.unique = root / "unique"
        self.revocations = root / "revocations"
        self._opened = False
        self._queues: dict[str, Path] = {}
        """The folders of the queues that are there, by name."""

    def open(self) -> None:
        """Make the folders that all need."""
        if self._opened:
            return
        shared = (
            self.consumers,
            self.ended,
            self.past,
            self.staged,
            self.commits,
            self.unique,
            self.revocations,
        )
        for folder in (self.files.aside, *shared):
            self.files.folder(folder)
        self._opened = True

    def queue(self, key: str) -> Path:
        """The folder of a queue."""
        return self.root / "queues" / key

    def open_queue(self, name: str) -> Path:
        """The folder of a queue, made where it is missing."""
        known = self._queues.get(name)
        if known is not None:
            return known
        key = key_of(name)
        found = self.queue(key)
        self.open()
        for folder in _FOLDERS:
            self.files.folder(found / folder)
        if name_of(key) is None:
            self.files.put(found / ".name", name.encode())
        self._queues[name] = found
        return found

    def queue_name(self, key: str) -> str:
        """The name of the queue of a folder."""
        return name_of(key) or (read(self.queue(key) / ".name") or key.encode()).decode()

    def ring(self, queue: Path) -> None:
        """Say that messages came into a queue. Nothing is lost where nobody does: readers look now and then."""
        bell = f"{queue}/bell"
        if ring(bell) >= _LOUD:
            os.truncate(bell, 0)

    def now(self) -> float:
        """Unix seconds by the clock of the file system."""
        return self.files.now()
