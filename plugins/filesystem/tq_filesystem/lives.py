"""Consumers: alive while their folder is in `consumers`, dead for ever once it was renamed into `ended`.

That one rename is the fence: whatever a consumer holds has a path below its folder, so a dead one finds nothing of
it any more. Its last heartbeat lies in the folder as `.beat`, and says by its time of change when it came.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tq.errors import BrokerError
from tq.records import Action, Delivery
from tq.wire.envelope import unpack
from tq_filesystem.files import names, older, read
from tq_filesystem.labels import Lent, key_of, read_lent
from tq_filesystem.letters import Letters
from tq_filesystem.place import Place


class Beat(msgspec.Struct, frozen=True):
    """A heartbeat. `token` marks the firsts of batches that came after it."""

    token: str
    lease: float
    queues: tuple[str, ...]
    running: tuple[int, ...] = ()


class Verdict(msgspec.Struct, frozen=True):
    """What whoever ended a consumer knew."""

    running: tuple[int, ...]
    action: str
    reason: str
    max_attempts: int


_BEAT = msgspec.json.Decoder(Beat)
_VERDICT = msgspec.json.Decoder(Verdict)


class Lives:
    """The consumers of one folder. Raises `OSError`."""

    def __init__(self, place: Place, letters: Letters) -> None:
        self._place = place
        self._letters = letters

    def path(self, consumer_id: str) -> Path:
        """The folder of a living consumer."""
        return self._place.consumers / key_of(consumer_id)

    def begin(self, consumer_id: str, queues: Sequence[str], lease: float) -> Path:
        """Register a consumer. Raises `BrokerError` for an id that was used before."""
        self._place.open()
        key = key_of(consumer_id)
        aside = self._place.files.aside / secrets.token_hex(12)
        self._place.files.folder(aside)
        (aside / ".beat").write_bytes(msgspec.json.encode(Beat(_token(), lease, tuple(queues))))
        used = any((folder / key).exists() for folder in (self._place.ended, self._place.past))
        try:
            if not used:
                os.rename(aside, self._place.consumers / key)
        except OSError as exc:
            if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            used = True
        if used:
            (aside / ".beat").unlink()
            aside.rmdir()
            raise BrokerError(f"consumer id {consumer_id!r} was used before; take a new one")
        return self._place.consumers / key

    def beat(self, consumer_id: str, running: Sequence[int], lease: float) -> bool:
        """Keep a consumer alive; False: it is dead."""
        path = self.path(consumer_id)
        last = self.last(path)
        if last is None:
            return False
        data = msgspec.json.encode(Beat(_token(), lease, last.queues, tuple(running)))
        try:
            self._place.files.put(path / ".beat", data)
        except FileNotFoundError:
            return False
        return True

    def last(self, path: Path) -> Beat | None:
        """The last heartbeat of the consumer with this folder; None: it is dead."""
        raw = read(path / ".beat")
        return None if raw is None else _BEAT.decode(raw)

    def overdue(self) -> list[str]:
        """The folders of consumers whose lease has run out."""
        found, now = [], self._place.now()
        for key in names(self._place.consumers):
            path = self._place.consumers / key
            try:
                came = (path / ".beat").stat().st_mtime
            except FileNotFoundError:
                continue
            beat = self.last(path)
            if beat is not None and came + beat.lease <= now:
                found.append(key)
        return found

    def end(self, key: str, verdict: Verdict | None = None, *, max_attempts: int = 3) -> list[Delivery]:
        """Declare a consumer dead and give back what it held; what went to the dead letters.

        Without a verdict what counted as running is charged; it goes to the dead letters after `max_attempts`.
        """
        living = self._place.consumers / key
        if verdict is not None:
            try:
                self._place.files.put(living / ".end", msgspec.json.encode(verdict))
            except FileNotFoundError:
                return []
        if not self._place.files.move(living, self._place.ended / key):
            return []
        return self.give_back(key, max_attempts)

    def give_back(self, key: str, max_attempts: int) -> list[Delivery]:
        """Empty the folder of a dead consumer, and leave a mark of its id in its place. Any number may do it at once."""
        path = self._place.ended / key
        verdict = self._verdict(path, max_attempts)
        buried: list[Delivery] = []
        self._place.files.create(self._place.past / key)
        while True:
            for name in names(path):
                lent = read_lent(name)
                if lent is None:
                    self._place.files.remove(path / name)
                else:
                    buried += self._return(path / name, lent, verdict)
            for name in (".beat", ".end"):
                self._place.files.remove(path / name)
            try:
                path.rmdir()
            except FileNotFoundError:
                return buried
            except OSError as exc:
                # Something came in between: a rename that had begun before the folder was moved.
                if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            else:
                return buried

    def forget(self, now: float, age: float) -> None:
        """Remove the marks of ids that are older than `age` seconds."""
        for key in names(self._place.past):
            path = self._place.past / key
            if older(path, now - age):
                self._place.files.remove(path)

    def _return(self, path: Path, lent: Lent, verdict: tuple[Verdict, str]) -> list[Delivery]:
        known, token = verdict
        charged = lent.receipt in known.running or lent.token == token
        queue, label = self._place.queue(lent.queue_key), lent.label
        if not charged or (known.action == Action.REQUEUE.value and label.attempt < known.max_attempts):
            back = msgspec.structs.replace(label, attempt=label.attempt + charged)
            if self._place.files.move(path, queue / "ready" / str(back)):
                self._place.ring(queue)
            return []
        if known.action == Action.ACK.value:
            self._place.files.remove(path)
            return []
        raw = read(path)
        if raw is None or not self._letters.bury(path, lent, known.reason):
            return []
        name = self._place.queue_name(lent.queue_key)
        return [Delivery(unpack(raw), name, lent.receipt, label.attempt, len(raw))]

    def _verdict(self, path: Path, max_attempts: int) -> tuple[Verdict, str]:
        """What counts, and the token of firsts that count beside it."""
        told = read(path / ".end")
        if told is not None:
            return _VERDICT.decode(told), "-"
        beat = self.last(path)
        reason = f"its consumer died while running it, the last of {max_attempts} attempts"
        if beat is None:
            return Verdict((), Action.REQUEUE.value, reason, max_attempts), "-"
        return Verdict(beat.running, Action.REQUEUE.value, reason, max_attempts), beat.token


def _token() -> str:
    return secrets.token_hex(6)
