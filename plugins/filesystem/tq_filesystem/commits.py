"""Settlements that publish: all of it happens, or nothing.

    staged/<name>/0, 1, ...   the messages to publish
    staged/<name>/plan        where they go, and what becomes of the settled message
    commits/<name>            the settled message: its rename from the consumer's folder to here is the decision

Before that rename nothing counts; after it whoever maintains the folder can do the rest, each step of which is one rename.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tq.records import Action, Envelope
from tq.wire.envelope import pack
from tq_filesystem.arrivals import DAY, Arrival, Arrivals
from tq_filesystem.files import names, older, read
from tq_filesystem.labels import Lent
from tq_filesystem.letters import Letters
from tq_filesystem.place import Place


class Plan(msgspec.Struct, frozen=True):
    """What follows a commit: where messages go; for a message that is not done with, where it goes."""

    arrivals: tuple[Arrival, ...]
    lent: Lent
    action: str
    reason: str = ""
    back: Arrival | None = None


_PLAN = msgspec.json.Decoder(Plan)


class Commits:
    """The settlements of one folder that publish. Raises `OSError`."""

    def __init__(self, place: Place, arrivals: Arrivals, letters: Letters) -> None:
        self._place = place
        self._arrivals = arrivals
        self._letters = letters

    def settle(self, held: Path | str, envelopes: Sequence[Envelope], plan: Plan) -> bool:
        """Publish and settle; False: the message was not there any more, and nothing was done.

        Raises `EncodeError`, and then nothing was done either.
        """
        raws = [pack(envelope) for envelope in envelopes]
        name = secrets.token_hex(12)
        folder = self._place.staged / name
        self._place.files.folder(folder)
        for number, raw in enumerate(raws):
            self._place.files.put(folder / str(number), raw)
        self._place.files.put(folder / "plan", msgspec.json.encode(plan))
        if not self._place.files.move(held, self._place.commits / name):
            shutil.rmtree(folder, ignore_errors=True)
            return False
        self.finish(name)
        return True

    def finish(self, name: str) -> None:
        """Do what was decided; any number may do it at once, and any number of times."""
        folder = self._place.staged / name
        raw = read(folder / "plan")
        if raw is None:
            return
        plan = _PLAN.decode(raw)
        for number, arrival in enumerate(plan.arrivals):
            self._arrivals.enter(folder / str(number), arrival)
            self._place.ring(self._place.open_queue(arrival.queue))
        decided = self._place.commits / name
        if plan.back is not None:
            self._arrivals.enter(decided, plan.back)
            self._place.ring(self._place.open_queue(plan.back.queue))
        elif plan.action == Action.DEAD.value:
            self._letters.bury(decided, plan.lent, plan.reason)
        else:
            self._place.files.remove(decided)
        self._place.files.remove(folder / "plan")
        self._clear(folder)

    def maintain(self) -> None:
        """Finish what others left."""
        for name in names(self._place.commits):
            self.finish(name)

    def sweep(self, now: float) -> None:
        """Remove what was staged a day ago and never decided."""
        for name in names(self._place.staged):
            folder = self._place.staged / name
            if older(folder, now - DAY) and not os.path.lexists(self._place.commits / name):
                shutil.rmtree(folder, ignore_errors=True)

    def _clear(self, folder: Path) -> None:
        try:
            folder.rmdir()
        except OSError:
            # Somebody else is about to do the same, or did.
            return
