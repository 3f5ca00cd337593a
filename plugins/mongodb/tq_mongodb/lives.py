"""Consumers, in `<prefix>consumers`: `lives` is the moment (server's clock) at which the lease ends.

`ended` is the fence: it is set once, by one update, and from then on no heartbeat and no claim counts. What an ended
consumer holds is given back; what it claims in the middle of that, `maintain` finds as lent to nobody who lives.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from tq.errors import BrokerError
from tq.records import Action, Delivery
from tq_mongodb.messages import DAY, RETURNED, Document, delivery_of, gone
from tq_mongodb.store import Mongo, Store
from tq_mongodb.tables import Tables

_NOW: Document = {"$divide": [{"$toLong": "$$NOW"}, 1000]}
"""In an expression: unix seconds by the server's clock."""


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of what a dead consumer held. `first`: the count of heartbeats whose firsts ran as well."""

    running: tuple[int, ...] = ()
    action: str = Action.REQUEUE.value
    reason: str = ""
    max_attempts: int = 3
    first: int = -1


class Lives:
    """The consumers of one database. Raises `BrokerError`."""

    def __init__(self, store: Store, tables: Tables) -> None:
        self._store = store
        self._tables = tables

    def begin(self, consumer_id: str, queues: Sequence[str], lease: float) -> None:
        """Register a consumer."""
        document = {
            "_id": consumer_id,
            "ended": False,
            "lives": self._store.now() + lease,
            "queues": list(queues),
            "running": [],
            "beats": 0,
        }

        def insert(db: Mongo) -> None:
            try:
                self._tables.consumers(db).insert_one(document)
            except DuplicateKeyError as exc:
                raise BrokerError(
                    f"consumer id {consumer_id!r} was used before; take a new one", url=self._store.shown
                ) from exc

        asked = time.monotonic()
        self._store.run("register a consumer", insert)
        if time.monotonic() - asked > lease / 3:
            # The lease runs from the end of this call on, and a slow answer has used up a part of it.
            self.beat(consumer_id, (), lease)

    def beat(self, consumer_id: str, running: Sequence[int], lease: float) -> bool:
        """Keep a consumer alive; False: it is dead."""
        # By the clock of the server when it is done: it may have hung in the line for longer than the lease.
        change = {
            "lives": {"$add": [_NOW, lease]},
            "running": {"$literal": list(running)},
            "beats": {"$add": ["$beats", 1]},
        }
        found = self._store.run(
            "keep a consumer alive",
            lambda db: self._tables.consumers(db).update_one(
                {"_id": consumer_id, "ended": False}, [{"$set": change}]
            ),
        )
        return found.matched_count == 1

    def beats(self, consumer_id: str) -> int | None:
        """How many heartbeats came; None: it is dead."""
        found = self._store.run(
            "receive messages",
            lambda db: self._tables.consumers(db).find_one(
                {"_id": consumer_id, "ended": False}, {"beats": 1}
            ),
        )
        return None if found is None else int(found["beats"])

    def end(self, consumer_id: str, verdict: Verdict) -> list[Delivery]:
        """Declare a consumer dead, and give back what it held; what went to the dead letters."""
        change = {"$set": {"ended": True, "verdict": msgspec.to_builtins(verdict), "until": self._tomorrow()}}
        found = self._store.run(
            "end a consumer",
            lambda db: self._tables.consumers(db).update_one({"_id": consumer_id, "ended": False}, change),
        )
        return self.give_back(consumer_id, verdict) if found.matched_count else []

    def end_overdue(self, max_attempts: int) -> list[Delivery]:
        """End those whose lease had run out before this was called, however long the line takes."""
        asked = time.monotonic()
        now = self._store.now() - (time.monotonic() - asked)
        overdue = self._store.run(
            "look for dead consumers",
            lambda db: list(self._tables.consumers(db).find({"ended": False, "lives": {"$lte": now}})),
        )
        return [each for document in overdue for each in self._end_overdue(document, max_attempts)]

    def give_back_lost(self, max_attempts: int) -> list[Delivery]:
        """Give back what is lent to consumers that are dead: whoever ended them did not come so far."""

        def lost(db: Mongo) -> list[tuple[str, Document]]:
            holders = self._tables.messages(db).distinct("c", {"c": {"$exists": True}, "s": "lent"})
            known = {each["_id"]: each for each in self._tables.consumers(db).find({"_id": {"$in": holders}})}
            return [(i, known.get(i, {})) for i in holders if known.get(i, {}).get("ended", True)]

        found = self._store.run("look for lost messages", lost)
        buried: list[Delivery] = []
        for consumer_id, document in found:
            told = document.get("verdict")
            verdict = Verdict(max_attempts=max_attempts) if told is None else msgspec.convert(told, Verdict)
            buried += self.give_back(consumer_id, verdict)
        return buried

    def give_back(self, consumer_id: str, verdict: Verdict) -> list[Delivery]:
        """Give back what a dead consumer holds. Any number may do it at once."""
        held = {"c": consumer_id, "s": "lent"}
        ran = {"$or": [{"r": {"$in": list(verdict.running)}}, {"f": verdict.first}]}
        idle = {"r": {"$nin": list(verdict.running)}, "f": {"$ne": verdict.first}}
        ready: Document = {"$set": {"s": "ready"}, "$unset": RETURNED}

        def back(db: Mongo) -> list[Document]:
            table = self._tables.messages(db)
            table.update_many({**held, **idle}, ready)
            if verdict.action == Action.REQUEUE.value:
                again = {**held, **ran, "a": {"$lt": verdict.max_attempts}}
                table.update_many(again, {**ready, "$inc": {"a": 1}})
            elif verdict.action == Action.ACK.value:
                table.update_many({**held, **ran, "uid": {"$exists": True}}, gone(self._store.now()))
                table.delete_many({**held, **ran})
            return list(table.find({**held, **ran}))

        buried = []
        for document in self._store.run("give back messages", back):
            if self._bury(document, verdict.reason):
                buried.append(delivery_of(document, document["r"]))
        return buried

    def _end_overdue(self, document: Document, max_attempts: int) -> list[Delivery]:
        consumer_id = document["_id"]
        reason = f"consumer {consumer_id} died while running it, the last of {max_attempts} attempts"
        # A heartbeat that came since then counts: the count of beats must be the same.
        same = {
            "_id": consumer_id,
            "ended": False,
            "beats": document["beats"],
            "$expr": {"$lte": ["$lives", _NOW]},
        }
        verdict = Verdict(
            tuple(document["running"]), reason=reason, max_attempts=max_attempts, first=document["beats"]
        )
        change = {"$set": {"ended": True, "verdict": msgspec.to_builtins(verdict), "until": self._tomorrow()}}
        ended = self._store.run(
            "end a consumer",
            lambda db: self._tables.consumers(db).find_one_and_update(
                same, change, {"_id": 1}, return_document=ReturnDocument.AFTER
            ),
        )
        return self.give_back(consumer_id, verdict) if ended else []

    def _bury(self, document: Document, reason: str) -> bool:
        dead: dict[str, Any] = {"s": "dead", "why": reason, "died": self._store.now()}
        same = {"_id": document["_id"], "s": "lent", "c": document["c"], "r": document["r"]}
        found = self._store.run(
            "bury a message",
            lambda db: self._tables.messages(db).update_one(same, {"$set": dead, "$unset": RETURNED}),
        )
        return found.matched_count == 1

    def _tomorrow(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._store.now() + DAY, dt.UTC)
