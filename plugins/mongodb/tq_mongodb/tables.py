"""The collections of a broker, and their indexes."""

from __future__ import annotations

from typing import Any

from pymongo import IndexModel
from pymongo.collection import Collection

from tq_mongodb.messages import INDEXES
from tq_mongodb.store import Mongo, make_indexes

Table = Collection[dict[str, Any]]


class Tables:
    """`<prefix>messages`, `<prefix>consumers` and `<prefix>revocations`."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def messages(self, db: Mongo) -> Table:
        """All messages of all queues."""
        return db[f"{self._prefix}messages"]

    def consumers(self, db: Mongo) -> Table:
        """Who reads, and for a day who read."""
        return db[f"{self._prefix}consumers"]

    def revocations(self, db: Mongo) -> Table:
        """Revocations by version."""
        return db[f"{self._prefix}revocations"]

    def prepare(self, db: Mongo) -> None:
        """Make the indexes, where they are missing."""
        messages = [
            IndexModel(each["keys"], **{k: v for k, v in each.items() if k != "keys"}) for each in INDEXES
        ]
        make_indexes(self.messages(db), messages)
        lives = IndexModel([("ended", 1), ("lives", 1)], name="lives")
        make_indexes(
            self.consumers(db), [lives, IndexModel([("until", 1)], name="until", expireAfterSeconds=0)]
        )
