"""A reader of queues. It claims messages in batches, and looks afterwards whether it is still alive."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from tq.contracts.broker import Consumer
from tq.contracts.polling import looks
from tq.errors import BrokerError, LeaseLost
from tq.records import Action, Delivery, Settlement
from tq_mongodb.lives import Lives, Verdict
from tq_mongodb.messages import ORDER, Document, delivery_of
from tq_mongodb.settling import Settling
from tq_mongodb.store import Mongo, Store
from tq_mongodb.tables import Tables

logger = logging.getLogger("tq.mongodb")
_FIRST_PAUSE = 0.005
_MOST = 1000
_DOUBT = 60.0
"""Seconds after a lost answer during which a claim that hung in the line may still take effect."""


class MongoConsumer(Consumer):
    """Made by `MongoBroker.consumer`. `pause`: the longest between two looks, in seconds."""

    def __init__(
        self,
        consumer_id: str,
        queues: Sequence[str],
        store: Store,
        tables: Tables,
        lives: Lives,
        settling: Settling,
        pause: float,
    ) -> None:
        self.id = consumer_id
        self._queues = list(dict.fromkeys(queues))
        self._store = store
        self._tables = tables
        self._lives = lives
        self._settling = settling
        self._pause = pause
        self._held: dict[int, Document] = {}
        self._given = 0
        self._interrupted = False
        self._promoted = 0.0
        self._doubtful = 0.0
        """Until then (monotonic seconds) something may be lent to this consumer that it does not know: an answer was lost."""

    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        return self._receive(limit, wait, None)

    def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
        return self._settle(batch, self._lives.beats(self.id)) if batch else ()

    def turn(
        self, batch: Sequence[Settlement], limit: int, wait: float
    ) -> tuple[Sequence[bool], Sequence[Delivery]]:
        """Both after one look at whether this consumer lives; another look follows what is claimed."""
        beats = self._lives.beats(self.id) if batch else None
        settled = self._settle(batch, beats) if batch else ()
        return settled, self._receive(limit, wait, beats) if limit else ()

    def _receive(self, limit: int, wait: float, beats: int | None) -> Sequence[Delivery]:
        for _ in looks(wait, _FIRST_PAUSE, self._pause):
            if self._interrupted:
                self._interrupted = False
                return ()
            taken = self._take(min(limit, _MOST), beats)
            if taken:
                return taken
            beats = None
        return ()

    def _settle(self, batch: Sequence[Settlement], beats: int | None) -> Sequence[bool]:
        if beats is None:
            return [False] * len(batch)
        answers: dict[int, bool] = {}
        plain: dict[int, Document] = {}
        for at, settlement in enumerate(batch):
            held = self._held.get(int(settlement.delivery.receipt))
            if held is None:
                # Settled before, unless it never was this consumer's.
                answers[at] = int(settlement.delivery.receipt) < self._given
            elif settlement.action is Action.ACK and not settlement.publish:
                plain[at] = held
            else:
                answers[at] = self._settle_one(held, settlement)
        if plain:
            answers |= zip(plain, self._settling.acknowledge(self.id, list(plain.values())), strict=True)
        for at, settlement in enumerate(batch):
            if answers[at]:
                self._held.pop(int(settlement.delivery.receipt), None)
        return [answers[at] for at in range(len(batch))]

    def interrupt(self) -> None:
        self._interrupted = True

    def close(self) -> None:
        try:
            self._lives.end(self.id, Verdict())
        except BrokerError as exc:
            logger.warning("what consumer %s held is given back when its lease ends: %s", self.id, exc)

    # -- taking --------------------------------------------------------------------------------------------

    def _take(self, limit: int, known: int | None) -> list[Delivery]:
        """`known`: how many heartbeats there were a moment ago."""
        beats = self._lives.beats(self.id) if known is None else known
        if beats is None:
            raise self._lost()
        self._promote()
        if time.monotonic() < self._doubtful and (forgotten := self._forgotten(limit, beats)):
            return self._hand_out(forgotten)
        found = self._store.run("receive messages", lambda db: self._candidates(db, limit))
        if not found:
            return []
        receipts = {self._given + at: document for at, document in enumerate(found)}
        self._given += len(found)
        try:
            claimed = self._store.run("receive messages", lambda db: self._claim(db, receipts, beats))
            now = self._lives.beats(self.id)
            if claimed and now is not None and now != beats:
                # A heartbeat came in between, which does not know the first of these, and that runs from now on.
                self._store.run("receive messages", lambda db: self._count(db, min(claimed), now))
        except BrokerError:
            self._doubtful = time.monotonic() + _DOUBT
            raise
        if now is None:
            # It was declared dead in the middle of this; nobody else knows what it claimed since then.
            self._lives.give_back(self.id, Verdict())
            raise self._lost()
        return self._hand_out(
            {receipt: document for receipt, document in receipts.items() if receipt in claimed}
        )

    def _count(self, db: Mongo, receipt: int, beats: int) -> None:
        """Have this one count as running until the next heartbeat."""
        mine = {"c": self.id, "s": "lent", "r": receipt}
        self._tables.messages(db).update_one(mine, {"$set": {"f": beats}})

    def _hand_out(self, taken: dict[int, Document]) -> list[Delivery]:
        self._held |= {
            receipt: {"_id": document["_id"], "r": receipt}
            | {k: document[k] for k in ("uid",) if k in document}
            for receipt, document in taken.items()
        }
        return [delivery_of(document, receipt) for receipt, document in taken.items()]

    def _forgotten(self, limit: int, beats: int) -> dict[int, Document]:
        """What is lent to this consumer and was never handed out, because the answer to the claim was lost."""
        mine = {"c": self.id, "s": "lent"}

        def find(db: Mongo) -> list[Document]:
            table = self._tables.messages(db)
            unknown = {**mine, "r": {"$nin": list(self._held)}}
            found = list(table.find(unknown).sort("r", 1).limit(limit))
            if found:
                self._count(db, found[0]["r"], beats)
            return found

        return {int(document["r"]): document for document in self._store.run("receive messages", find)}

    def _promote(self) -> None:
        if time.monotonic() < self._promoted + self._pause:
            return
        promote(self._store, self._tables, self._queues)
        self._promoted = time.monotonic()

    def _candidates(self, db: Mongo, limit: int) -> list[Document]:
        table = self._tables.messages(db)
        found = [
            (document["u"], at, document["o"], document["_id"], document)
            for at, queue in enumerate(self._queues)
            for document in table.find({"q": queue, "s": "ready"}).sort(ORDER).limit(limit)
        ]
        return [document for *_, document in sorted(found, key=lambda each: each[:4])[:limit]]

    def _claim(self, db: Mongo, receipts: dict[int, Document], beats: int) -> set[int]:
        """Lend these to the consumer, the first as one that runs; the receipts of those that nobody else took."""
        first = min(receipts)
        table = self._tables.messages(db)
        ids = [document["_id"] for document in receipts.values()]
        # One update for the batch: the place of a message in it says which receipt is its own.
        place = {"$indexOfArray": [{"$literal": ids}, "$_id"]}
        counts = {"$cond": [{"$eq": ["$_id", {"$literal": ids[0]}]}, beats, -2]}
        lent = {"s": "lent", "c": {"$literal": self.id}, "r": {"$add": [first, place]}, "f": counts}
        attempts: dict[int, list[str]] = {}
        for document in receipts.values():
            attempts.setdefault(document["a"], []).append(document["_id"])
        matched = sum(
            table.update_many({"_id": {"$in": some}, "s": "ready", "a": a}, [{"$set": lent}]).matched_count
            for a, some in attempts.items()
        )
        if matched == len(ids):
            return set(receipts)
        mine = {
            int(each["r"]) for each in table.find({"c": self.id, "s": "lent", "r": {"$gte": first}}, {"r": 1})
        }
        if mine and first not in mine:
            # Somebody took what would have been the first.
            self._count(db, min(mine), beats)
        return mine

    # -- settling ------------------------------------------------------------------------------------------

    def _settle_one(self, held: Document, settlement: Settlement) -> bool:
        how = self._settling.publish if settlement.publish else self._settling.settle
        # Not done and alive: what an earlier call did, although an error came back.
        return how(self.id, held, settlement) or self._lives.beats(self.id) is not None

    def _lost(self) -> LeaseLost:
        return LeaseLost(
            f"consumer {self.id} was declared dead, and what it held was given to others",
            url=self._store.shown,
        )


def promote(store: Store, tables: Tables, queues: Sequence[str]) -> None:
    """Make ready what is due."""
    due = {"s": "delayed", "q": {"$in": list(queues)}, "due": {"$lte": store.now()}}
    store.run("promote messages", lambda db: tables.messages(db).update_many(due, {"$set": {"s": "ready"}}))
