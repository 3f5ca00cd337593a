"""What becomes of messages that a consumer holds: each settlement is one update of one document.

A settlement that publishes is decided by the update of its message to `commit`. What it publishes lies there already,
as `staged`; after the decision anybody can do the rest, any number of times.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from pymongo.errors import BulkWriteError, DuplicateKeyError

from tq.errors import EncodeError, PublishError
from tq.records import Action, Settlement
from tq.wire.ids import new_id
from tq_mongodb.documents import plain
from tq_mongodb.messages import DAY, RETURNED, Document, delayed, gone, new_message, own_id
from tq_mongodb.store import Mongo, Store
from tq_mongodb.tables import Table, Tables

_DECIDED = {"txn": "", "plan": "", **RETURNED}


class Settling:
    """Settles messages of one database. Raises `BrokerError`."""

    def __init__(self, store: Store, tables: Tables) -> None:
        self._store = store
        self._tables = tables

    def acknowledge(self, consumer_id: str, held: Sequence[Document]) -> list[bool]:
        """End these; False for what the consumer does not hold any more."""
        mine = {"c": consumer_id, "s": "lent", "r": _one_of([each["r"] for each in held])}
        plain = [each["_id"] for each in held if "uid" not in each]
        unique = [each["_id"] for each in held if "uid" in each]
        now = self._store.now() if unique else 0.0

        def end(db: Mongo) -> set[str]:
            table, done = self._tables.messages(db), 0
            if plain:
                done += table.delete_many({"_id": {"$in": plain}, **mine}).deleted_count
            if unique:
                done += table.update_many(
                    {"_id": {"$in": unique}, **mine}, gone(now, consumer_id)
                ).matched_count
            return set() if done == len(held) else self._left(db, consumer_id, plain + unique)

        left = self._store.run("settle messages", end)
        return [each["_id"] not in left for each in held]

    def settle(self, consumer_id: str, held: Document, settlement: Settlement) -> bool:
        """Requeue or bury one message; whether the consumer still held it."""
        change = self._change(settlement)
        found = self._store.run(
            "settle a message",
            lambda db: self._tables.messages(db).update_one(_lent(consumer_id, held), change),
        )
        return found.matched_count == 1

    def publish(self, consumer_id: str, held: Document, settlement: Settlement) -> bool:
        """Settle one message and publish what follows; whether the consumer still held it."""
        txn, now = new_id(), self._store.now()
        staged = [self._staged(envelope, txn, now, at) for at, envelope in enumerate(settlement.publish)]
        final: dict[str, Any] = {"action": settlement.action.value}
        if settlement.action is not Action.ACK:
            final["change"] = self._change(settlement)
        decision = {"$set": {"s": "commit", "txn": txn, "plan": final}, "$unset": {"c": ""}}

        def decide(db: Mongo) -> bool:
            table = self._tables.messages(db)
            _stage(table, staged)
            if table.update_one(_lent(consumer_id, held), decision).matched_count:
                return True
            # pymongo asks again by itself where an answer was lost: then the first of the two has decided.
            if table.find_one({"txn": txn, "s": "commit"}, {"_id": 1}) is not None:
                return True
            table.delete_many({"txn": txn, "s": "staged"})
            return False

        if not self._store.run("settle a message", decide):
            return False
        self.finish(txn)
        return True

    def finish(self, txn: str) -> None:
        """Do what is left of a settlement that was decided."""
        now = self._store.now()

        def rest(db: Mongo) -> None:
            table = self._tables.messages(db)
            for document in table.find({"txn": txn, "s": "staged", "uid": {"$exists": True}}):
                self._publish_unique(table, document)
            for state in ("ready", "delayed"):
                change: Document = {"$set": {"s": state}, "$unset": {"txn": "", "to": ""}}
                table.update_many({"txn": txn, "s": "staged", "to": state}, change)
            decided = {"txn": txn, "s": "commit"}
            found = table.find_one(decided, {"plan": 1, "uid": 1})
            if found is None:
                return
            change = found["plan"].get("change")
            if change is not None:
                table.update_one(decided, {**change, "$unset": _DECIDED})
            elif "uid" in found:
                table.update_one(decided, gone(now))
            else:
                table.delete_one(decided)

        self._store.run("finish a settlement", rest)

    def maintain(self) -> None:
        """Finish what others left."""
        found = self._store.run(
            "look for settlements",
            lambda db: self._tables.messages(db).distinct("txn", {"txn": {"$exists": True}, "s": "commit"}),
        )
        for txn in found:
            self.finish(txn)

    def sweep(self) -> None:
        """Remove what was staged a day ago and never decided."""
        old = {"txn": {"$exists": True}, "s": "staged", "at": {"$lt": self._store.now() - DAY}}
        self._store.run("remove old messages", lambda db: self._tables.messages(db).delete_many(old))

    def _left(self, db: Mongo, consumer_id: str, ids: list[str]) -> set[str]:
        """Those of these that somebody else has now. What is gone this consumer ended, now or before."""
        found = self._tables.messages(db).find({"_id": {"$in": ids}}, {"s": 1, "by": 1})
        return {each["_id"] for each in found if not (each["s"] == "gone" and each.get("by") == consumer_id)}

    def _staged(self, envelope: Any, txn: str, now: float, number: int) -> Document:
        try:
            document = new_message(envelope, now, number)
        except EncodeError as exc:
            raise PublishError(
                f"what follows a task cannot be published: {exc}", url=self._store.shown
            ) from exc
        return {**document, "to": document["s"], "s": "staged", "txn": txn, "at": now}

    def _publish_unique(self, table: Table, document: Document) -> None:
        message = {key: value for key, value in own_id(document).items() if key not in ("to", "txn", "at")}
        with contextlib.suppress(DuplicateKeyError):  # it was published before, which is what unique is about
            table.insert_one({**message, "s": document["to"]})
        table.delete_one({"_id": document["_id"]})

    def _change(self, settlement: Settlement) -> Document:
        if settlement.action is Action.DEAD:
            dead = {"s": "dead", "why": plain(settlement.reason), "died": self._store.now()}
            return {"$set": dead, "$unset": RETURNED}
        if settlement.delay > 0:
            return {"$set": delayed(self._store.now() + settlement.delay), "$unset": RETURNED}
        return {"$set": {"s": "ready"}, "$unset": RETURNED}


def _stage(table: Table, staged: list[Document]) -> None:
    try:
        table.insert_many(staged, ordered=False)
    except BulkWriteError as exc:
        # Their ids are new: one that is there is of the first of two attempts, whose answer was lost.
        if exc.timeout or any(accepted(exc, len(staged))):
            raise


def _lent(consumer_id: str, held: Document) -> Document:
    """This message, while it is lent to this consumer under this receipt. The receipt keeps out what hung in a broken line:
    by the time it arrives, the same message may have been given back and lent to the same consumer again."""
    return {"_id": held["_id"], "c": consumer_id, "s": "lent", "r": held["r"]}


def _one_of(receipts: Sequence[int]) -> Document:
    """Whether a receipt is among these. Those of one batch follow each other: two comparisons instead of a list."""
    first, last = min(receipts), max(receipts)
    if last - first == len(set(receipts)) - 1:
        return {"$gte": first, "$lte": last}
    return {"$in": list(receipts)}


def accepted(error: BulkWriteError, count: int) -> list[str | None]:
    """For each of `count` inserted documents None, or why it was refused. A unique one that is there is accepted."""
    answer: list[str | None] = [None] * count
    for each in error.details["writeErrors"]:
        if each["code"] != 11000:
            answer[each["index"]] = str(each["errmsg"])
    return answer
