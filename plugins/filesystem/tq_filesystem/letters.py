"""Dead letters: the message, and in a file beside it why it died."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tq.records import DeadLetter
from tq.wire.envelope import unpack
from tq_filesystem.files import names, read
from tq_filesystem.labels import Lent, key_of, read_label
from tq_filesystem.place import Place


class Letters:
    """The dead letters of one folder. Raises `OSError`."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def bury(self, path: Path | str, lent: Lent, reason: str) -> bool:
        """Move a lent message to the dead letters; whether it was still there."""
        queue = self._place.queue(lent.queue_key)
        name = f"{time.time_ns():020}-{secrets.token_hex(4)}.{lent.label}"
        # The reason comes first: a letter without one is never seen.
        self._place.files.put(queue / "why" / name, reason.encode("utf-8", "surrogatepass"))
        if self._place.files.move(path, queue / "dead" / name):
            return True
        self._place.files.remove(queue / "why" / name)
        return False

    def read(self, queue: str, limit: int) -> list[DeadLetter]:
        """The newest ones, newest first."""
        folder = self._place.queue(key_of(queue))
        found: list[DeadLetter] = []
        for name in sorted(names(folder / "dead"), reverse=True):
            raw = read(folder / "dead" / name)
            label = read_label(name.partition(".")[2])
            if len(found) == limit or raw is None or label is None:
                continue
            reason = (read(folder / "why" / name) or b"").decode("utf-8", "replace")
            died = int(name.partition("-")[0]) / 1e9
            found.append(DeadLetter(name, queue, reason, died, unpack(raw), label.attempt))
        return found

    def requeue(self, queue: str, ids: Sequence[str]) -> int:
        """Make these wait again, with no attempts charged; how many were there."""
        folder, now, moved = self._place.queue(key_of(queue)), time.time_ns(), 0
        for number, name in enumerate(_safe(ids)):
            label = read_label(name.partition(".")[2])
            if label is None:
                continue
            back = msgspec.structs.replace(label, arrival=now, number=number, attempt=1)
            if self._place.files.move(folder / "dead" / name, folder / "ready" / str(back)):
                self._place.files.remove(folder / "why" / name)
                moved += 1
        if moved:
            self._place.ring(folder)
        return moved

    def drop(self, queue: str, ids: Sequence[str]) -> int:
        """Remove these; how many were there."""
        folder, dropped = self._place.queue(key_of(queue)), 0
        for name in _safe(ids):
            if self._place.files.remove(folder / "dead" / name):
                self._place.files.remove(folder / "why" / name)
                dropped += 1
        return dropped


def _safe(ids: Sequence[str]) -> list[str]:
    """Each once, without those that would lead out of the folder."""
    return [each for each in dict.fromkeys(ids) if "/" not in each and not each.startswith(".")]
