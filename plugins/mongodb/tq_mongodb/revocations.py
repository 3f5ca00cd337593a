"""Revocations: one document for each call of `revoke`, whose `_id` is its version."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from pymongo.errors import DuplicateKeyError

from tq.records import Revocation
from tq_mongodb.store import Mongo, Store
from tq_mongodb.tables import Tables


class Revocations:
    """The revocations of one database. Raises `BrokerError`."""

    def __init__(self, store: Store, tables: Tables) -> None:
        self._store = store
        self._tables = tables

    def add(self, batch: Sequence[Revocation], expires: float) -> None:
        """Write them under the next version."""
        if not batch:
            return
        until = self._store.now() + expires
        revoked = msgspec.to_builtins(list(batch))

        def insert(db: Mongo) -> bool:
            version = self._newest(db) + 1
            try:
                self._tables.revocations(db).insert_one({"_id": version, "until": until, "revoked": revoked})
            except DuplicateKeyError:
                return False
            return True

        while not self._store.run("revoke tasks", insert):
            continue

    def after(self, version: int) -> tuple[int, list[Revocation]]:
        """The newest version, and what was revoked after `version` and has not expired."""
        documents = self._store.run(
            "read revocations",
            lambda db: list(self._tables.revocations(db).find({"_id": {"$gte": version}}).sort("_id", 1)),
        )
        news = [each for each in documents if each["_id"] > version]
        now = self._store.now() if news else 0.0
        found: dict[str, Revocation] = {}
        for document in news:
            if document["until"] > now:
                revoked = msgspec.convert(document["revoked"], list[Revocation])
                found |= {each.task_id: each for each in revoked}
        return (documents[-1]["_id"] if documents else version), list(found.values())

    def sweep(self) -> None:
        """Remove what has expired, but never the newest: versions go on from it."""
        old = {"until": {"$lte": self._store.now()}}

        def remove(db: Mongo) -> None:
            newest = self._newest(db)
            self._tables.revocations(db).delete_many({**old, "_id": {"$lt": newest}})

        self._store.run("remove old revocations", remove)

    def _newest(self, db: Mongo) -> int:
        found = self._tables.revocations(db).find_one({}, {"_id": 1}, sort=[("_id", -1)])
        return 0 if found is None else int(found["_id"])
