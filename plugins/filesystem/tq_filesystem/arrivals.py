"""How messages come into queues: each step is one rename, and what a death leaves between two steps goes on.

A unique message is linked to its mark before it is moved to its queue: the link decides between two that publish it,
and a message that is linked and not moved is moved by whoever maintains the queue.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from tq.records import Envelope
from tq.wire.envelope import pack
from tq_filesystem.files import names, older, size
from tq_filesystem.labels import Label, new_label, read_label
from tq_filesystem.place import Place

DAY = 86400.0


class Arrival(msgspec.Struct, frozen=True):
    """Where a new message goes: the name of its queue, its label, when it is due (ns), its mark."""

    queue: str
    label: str
    due: int
    mark: str


def arrival_of(envelope: Envelope, now: int, number: int, clock: float) -> Arrival:
    """Where an envelope goes. `now`: ns of this machine, `clock`: seconds of the file system."""
    task_id = str(envelope.message.headers.get("id"))
    mark = hashlib.sha256(task_id.encode()).hexdigest()[:40] if envelope.unique else ""
    due = round((clock + envelope.delay) * 1e9) if envelope.delay > 0 else 0
    return Arrival(envelope.queue, str(new_label(envelope.priority, now, number)), due, mark)


class Arrivals:
    """The way into the queues of one folder. Raises `OSError`."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def publish(self, envelope: Envelope, arrival: Arrival) -> None:
        """Put one message into its queue; `settled` has to follow for it. Raises `EncodeError`."""
        raw = pack(envelope)
        self._place.open_queue(arrival.queue)
        if arrival.mark and size(self._place.unique / arrival.mark) >= 0:
            return
        aside = self._place.files.write(raw)
        try:
            self.enter(aside, arrival, flush=False)
        except BaseException:
            self._place.files.remove(aside)
            raise

    def settled(self, queue: str, *, ready: bool, delayed: bool) -> None:
        """Have the disk take the names that a batch has put into a queue, and tell readers once for all of them."""
        path = self._place.open_queue(queue)
        for folder, used in (("ready", ready), ("delayed", delayed)):
            if used:
                self._place.files.flush(path / folder)
        self._place.ring(path)

    def enter(self, source: Path | str, arrival: Arrival, *, flush: bool = True) -> None:
        """Move a file to where it waits; harmless where it is gone."""
        queue = self._place.open_queue(arrival.queue)
        name = waiting_name(arrival.label, arrival.due)
        if not arrival.mark:
            folder = "delayed" if arrival.due else "ready"
            self._place.files.move(source, f"{queue}/{folder}/{name}", flush=flush)
            return
        between = queue / "arriving" / f"{arrival.mark}.{name}"
        if self._place.files.move(source, between):
            self._finish(queue, between)

    def maintain(self, queue: Path) -> None:
        """Move on what was left on its way."""
        for name in names(queue / "arriving"):
            self._finish(queue, queue / "arriving" / name)
            self._place.ring(queue)

    def forget_marks(self, now: float) -> None:
        """Remove the marks of messages that are older than a day."""
        for name in names(self._place.unique):
            path = self._place.unique / name
            if older(path, now - DAY):
                self._place.files.remove(path)

    def _finish(self, queue: Path, between: Path) -> None:
        digest, _, name = between.name.partition(".")
        mark = self._place.unique / digest
        try:
            os.link(between, mark)
        except FileExistsError:
            if not _same(between, mark):
                self._place.files.remove(between)
                return
        except FileNotFoundError:
            return
        self._place.files.move(between, target(queue, name))


def waiting_name(label: str, due: int) -> str:
    """The name of a message that waits, or that is delayed until `due` (ns)."""
    return f"{due:020}-{label}" if due else label


def target(queue: Path, name: str) -> str:
    """The path of a message of this name in its queue."""
    return f"{queue}/{'ready' if read_label(name) else 'delayed'}/{name}"


def due_of(name: str) -> tuple[int, Label] | None:
    """What the name of a delayed message says; None for another file."""
    due, _, rest = name.partition("-")
    label = read_label(rest)
    return (int(due), label) if label is not None and due.isdecimal() else None


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except FileNotFoundError:
        return False
