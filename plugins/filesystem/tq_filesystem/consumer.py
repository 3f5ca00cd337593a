"""A reader of queues. What it holds lies in its folder; when that is gone, somebody declared it dead."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from tq.contracts.broker import Consumer
from tq.contracts.polling import looks
from tq.errors import BrokerError, EncodeError, LeaseLost, PublishError
from tq.records import Action, Delivery, Settlement
from tq.wire.envelope import unpack
from tq_filesystem.arrivals import Arrival, arrival_of, waiting_name
from tq_filesystem.commits import Commits, Plan
from tq_filesystem.faults import broker_faults
from tq_filesystem.files import read
from tq_filesystem.labels import Label, Lent, with_bytes
from tq_filesystem.letters import Letters
from tq_filesystem.lives import Lives, Verdict
from tq_filesystem.place import Place
from tq_filesystem.shelf import Shelf

logger = logging.getLogger("tq.filesystem")
_FIRST_PAUSE = 0.002


class FilesystemConsumer(Consumer):
    """Made by `FilesystemBroker.consumer`. `pause`: the longest between two looks, in seconds."""

    def __init__(
        self,
        consumer_id: str,
        queues: Sequence[str],
        path: Path,
        place: Place,
        lives: Lives,
        letters: Letters,
        commits: Commits,
        pause: float,
    ) -> None:
        self.id = consumer_id
        self._path = path
        self._place = place
        self._lives = lives
        self._letters = letters
        self._commits = commits
        self._pause = pause
        self._shelves = [Shelf(place, name) for name in dict.fromkeys(queues)]
        self._held: dict[int, tuple[Lent, str]] = {}
        """What the name of each says, and its path, by receipt."""
        self._given = 0
        self._interrupted = False

    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        for _ in looks(wait, _FIRST_PAUSE, self._pause):
            if self._interrupted:
                self._interrupted = False
                return ()
            with broker_faults(str(self._place.root), "receive messages"):
                taken = self._take(limit)
            if taken:
                return taken
        return ()

    def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
        with broker_faults(str(self._place.root), "settle messages"):
            return [self._settle(settlement, number) for number, settlement in enumerate(batch)]

    def interrupt(self) -> None:
        self._interrupted = True

    def close(self) -> None:
        verdict = Verdict((), Action.REQUEUE.value, "", 1)
        try:
            with broker_faults(str(self._place.root), "close a consumer"):
                self._lives.end(self._path.name, verdict)
        except BrokerError as exc:
            logger.warning("what consumer %s held is given back when its lease ends: %s", self.id, exc)

    # -- taking --------------------------------------------------------------------------------------------

    def _take(self, limit: int) -> list[Delivery]:
        beat = self._lives.last(self._path)
        if beat is None:
            raise LeaseLost(f"consumer {self.id} was declared dead, and what it held was given to others")
        for shelf in self._shelves:
            shelf.look()
        taken: list[Delivery] = []
        while len(taken) < limit and (best := self._best()) is not None:
            label, name = best.take()
            try:
                delivery = self._take_one(best, label, name, token="0" if taken else beat.token)
            except OSError:
                if taken:
                    break
                raise
            if delivery is not None:
                taken.append(delivery)
        self._keep(taken)
        return taken

    def _keep(self, taken: Sequence[Delivery]) -> None:
        """Have the disk know who holds these. Where it does not, a loss of power gives them back, so they are handed out."""
        if not taken:
            return
        try:
            self._place.files.flush(self._path)
        except OSError as exc:
            logger.warning("the disk did not confirm what consumer %s took: %s", self.id, exc)

    def _best(self) -> Shelf | None:
        heads = [
            (head[0].urgency, at, shelf) for at, shelf in enumerate(self._shelves) if (head := shelf.head())
        ]
        return min(heads, key=lambda each: each[:2])[2] if heads else None

    def _take_one(self, shelf: Shelf, label: Label, name: str, *, token: str) -> Delivery | None:
        lent = Lent(self._given, token, shelf.key, label)
        path, waiting = f"{self._path}/{lent}", f"{shelf.path}/ready/{name}"
        try:
            if not self._place.files.move(waiting, path, flush=False):
                return None
        except FileNotFoundError as exc:
            raise LeaseLost(f"consumer {self.id} was declared dead while it received") from exc
        try:
            raw = read(path)
        except OSError:
            self._place.files.move(path, waiting)
            raise
        if raw is None:
            raise LeaseLost(f"consumer {self.id} was declared dead while it received")
        self._held[lent.receipt] = lent, path
        self._given += 1
        return Delivery(unpack(raw), shelf.name, lent.receipt, label.attempt, len(raw))

    # -- settling ------------------------------------------------------------------------------------------

    def _settle(self, settlement: Settlement, number: int) -> bool:
        receipt = int(settlement.delivery.receipt)
        held = self._held.get(receipt)
        if held is None:
            # Settled before, unless it never was this consumer's.
            return receipt < self._given and self._lives.last(self._path) is not None
        lent, path = held
        done = (
            self._with_others(settlement, lent, path)
            if settlement.publish
            else self._alone(settlement, lent, path)
        )
        if not done and self._lives.last(self._path) is None:
            return False
        # Not done and alive: what an earlier call did, although an error came back.
        del self._held[receipt]
        return True

    def _alone(self, settlement: Settlement, lent: Lent, path: str) -> bool:
        if settlement.action is Action.ACK:
            return self._place.files.remove(path)
        if settlement.action is Action.DEAD:
            return self._letters.bury(path, lent, settlement.reason)
        back = self._back(settlement, lent)
        queue = self._place.queue(lent.queue_key)
        folder = "delayed" if back.due else "ready"
        moved = self._place.files.move(path, queue / folder / waiting_name(back.label, back.due))
        if moved:
            self._place.ring(queue)
        return moved

    def _with_others(self, settlement: Settlement, lent: Lent, path: str) -> bool:
        if self._lives.last(self._path) is None:
            return False
        now, clock = time.time_ns(), self._place.now()
        back = self._back(settlement, lent) if settlement.action is Action.REQUEUE else None
        try:
            arrivals = tuple(arrival_of(each, now, at, clock) for at, each in enumerate(settlement.publish))
            plan = Plan(arrivals, lent, settlement.action.value, with_bytes(settlement.reason), back)
            return self._commits.settle(path, settlement.publish, plan)
        except (EncodeError, UnicodeError) as exc:
            raise PublishError(
                f"what follows a task cannot be published: {exc}", url=str(self._place.root)
            ) from exc

    def _back(self, settlement: Settlement, lent: Lent) -> Arrival:
        due = round((self._place.now() + settlement.delay) * 1e9) if settlement.delay > 0 else 0
        return Arrival(settlement.delivery.queue, str(lent.label), due, "")
