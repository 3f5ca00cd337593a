"""One queue, as a reader sees it: what waits, in order, and what becomes due."""

from __future__ import annotations

import time

import msgspec

from tq_filesystem.arrivals import due_of
from tq_filesystem.files import names, size
from tq_filesystem.labels import Label, key_of, read_label
from tq_filesystem.place import Place

UNTOLD = 2.0
"""Seconds after which a reader lists a queue that seems empty, though no bell rang: who should have rung may have died."""


class Shelf:
    """A queue that is listed again when its bell has grown, and now and then. Belongs to one thread. Raises `OSError`."""

    def __init__(self, place: Place, name: str) -> None:
        self.name = name
        self.key = key_of(name)
        self.path = place.queue(self.key)
        self._place = place
        self._bell = f"{self.path}/bell"
        self._heard = -2
        self._ready: list[str] = []
        """Names of what waits behind the head, the next one last. As text, which sorts as labels do: a backlog is long, and a
        label takes four times as much memory."""
        self._head: tuple[Label, str] | None = None
        self._next_due: int | None = None
        self._listed = 0.0

    def look(self) -> None:
        """Learn what came, and make ready what is due."""
        heard = size(self._bell)
        if heard != self._heard or (self.head() is None and time.monotonic() > self._listed + UNTOLD):
            self._next_due = self.promote()
            self._list()
            # It was read first: what comes while the folders are listed rings it again.
            self._heard = heard
        elif self._next_due is not None and self._place.now() * 1e9 >= self._next_due:
            self._next_due = self.promote()
            self._list()

    def head(self) -> tuple[Label, str] | None:
        """Label and name of the most urgent message, the oldest first."""
        while self._head is None and self._ready:
            name = self._ready.pop()
            label = read_label(name)
            if label is not None:
                self._head = label, name
        return self._head

    def take(self) -> tuple[Label, str]:
        """The head, of which there must be one; it is forgotten."""
        head, self._head = self.head(), None
        assert head is not None
        return head

    def promote(self) -> int | None:
        """Make ready what is due; when (ns) the next one will be."""
        found = ((due_of(name), name) for name in names(self.path / "delayed"))
        waiting = sorted((*due, name) for due, name in found if due is not None)
        if not waiting:
            return None
        now, later, moved = round(self._place.now() * 1e9), None, False
        for due, label, name in waiting:
            if due > now:
                later = due
                break
            ready = msgspec.structs.replace(label, arrival=due)
            moved |= self._place.files.move(self.path / "delayed" / name, self.path / "ready" / str(ready))
        if moved:
            self._place.ring(self.path)
        return later

    def _list(self) -> None:
        self._listed = time.monotonic()
        # Two lists of a long backlog at once would be memory that never comes back.
        self._ready, self._head = [], None
        self._ready = names(self.path / "ready")
        self._ready.sort(reverse=True)
