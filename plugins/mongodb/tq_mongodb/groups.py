"""Groups of tasks.

    tq_groups       {"_id": group id, "epoch", "size", "structure", "added", "n": parts counted, "claim", "over", "changed"}
    tq_group_parts  {"_id": "<epoch>:<index>:<task id>", "epoch", "index", "task_id", "status", "result"}

A part is inserted once, under its own id, and counted afterwards: whoever gets the last number finds all parts.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any

from pymongo import IndexModel, ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError

from tq.errors import BackendError, SerializationError
from tq.records import GroupCount, GroupPart, GroupStart
from tq.wire.group_document import unreadable_member
from tq.wire.ids import new_id
from tq_mongodb.documents import Documents
from tq_mongodb.store import Mongo, Store, make_indexes

DATE_DONE = IndexModel("date_done", background=True)
"""As Celery makes it."""
_DOING = "count members of groups"
Head = dict[str, Any]


class Groups:
    """The groups of one result backend. Raises `BackendError`."""

    def __init__(self, store: Store, documents: Documents, saved: str) -> None:
        self._store = store
        self._documents = documents
        self._saved = saved

    def prepare(self, db: Mongo) -> None:
        """Make the indexes, where they are missing."""
        make_indexes(db[self._saved], [DATE_DONE])
        make_indexes(db["tq_group_parts"], [IndexModel([("epoch", 1), ("index", 1)])])

    def start(self, group: GroupStart, fresh: bool) -> None:
        """Begin to count."""
        head: Head = {
            "epoch": new_id(),
            "size": group.size,
            "structure": None if group.structure is None else self._dump(group.structure),
            "added": [],
            "n": 0,
            "claim": None,
            "over": False,
            "changed": self._now(),
        }
        which = {"_id": group.group_id}

        def begin(db: Mongo) -> None:
            if fresh:
                db["tq_groups"].replace_one(which, head, upsert=True)
                return
            try:
                db["tq_groups"].insert_one({**which, **head})
            except DuplicateKeyError:
                return

        self._store.run("start a group", begin)

    def count(self, parts: Sequence[GroupPart]) -> list[GroupCount]:
        """Note parts."""
        if not parts:
            return []
        heads = self._heads({part.group_id for part in parts})
        known = [part for part in parts if part.group_id in heads]
        ends = {
            self._id(heads[part.group_id], part): self._end(heads[part.group_id], part)
            for part in reversed(known)
        }
        firsts = self._store.run(_DOING, lambda db: _insert(db, ends)) if ends else {}
        return [
            self._count(heads[part.group_id], part, firsts) if part.group_id in heads else GroupCount()
            for part in parts
        ]

    def grow(self, group_id: str, task_id: str) -> None:
        """Expect one more."""
        change = {"$addToSet": {"added": task_id}, "$set": {"changed": self._now()}}
        which = {"_id": group_id, "over": False}
        self._store.run("grow a group", lambda db: db["tq_groups"].update_one(which, change))

    def end(self, group_ids: Sequence[str]) -> None:
        """Nothing is left to be done."""
        heads = self._heads(set(group_ids))
        epochs = [head["epoch"] for head in heads.values()]
        change = {"$set": {"over": True, "structure": None, "changed": self._now()}}

        def finish(db: Mongo) -> None:
            db["tq_groups"].update_many({"_id": {"$in": list(heads)}, "epoch": {"$in": epochs}}, change)
            db["tq_group_parts"].delete_many({"epoch": {"$in": epochs}})

        if heads:
            self._store.run("end groups", finish)

    def save(self, group_id: str, structure: Any) -> None:
        """Keep the ids of a group; Celery reads those of its direct members."""
        document = {
            "_id": group_id,
            "result": self._dump(_ids(structure)),
            "date_done": self._now(),
            "tq_structure": self._dump(structure),
        }
        self._store.run(
            "save a group", lambda db: db[self._saved].replace_one({"_id": group_id}, document, upsert=True)
        )

    def load(self, group_id: str) -> Any | None:
        """The ids of a group, or None; also of one that Celery saved."""
        found = self._store.run("read a group", lambda db: db[self._saved].find_one({"_id": group_id}))
        if found is None:
            return None
        try:
            if "tq_structure" in found:
                return self._documents.load(found["tq_structure"])
            return [
                [group_id, None],
                [[[task_id, None], None] for task_id in self._documents.load(found["result"])],
            ]
        except (SerializationError, TypeError, KeyError) as exc:
            raise BackendError(
                f"the saved group {group_id} cannot be read: {exc}", url=self._store.shown
            ) from exc

    def forget(self, group_id: str) -> None:
        """Remove what `save` kept."""
        self._store.run("forget a group", lambda db: db[self._saved].delete_one({"_id": group_id}))

    def cleanup(self, before: dt.datetime) -> int:
        """Remove the groups in which nothing has happened since; how many."""

        def remove(db: Mongo) -> int:
            saved = db[self._saved].delete_many({"date_done": {"$lte": before}}).deleted_count
            old = list(db["tq_groups"].find({"changed": {"$lte": before}}, {"epoch": 1}))
            db["tq_group_parts"].delete_many({"epoch": {"$in": [each["epoch"] for each in old]}})
            gone = db["tq_groups"].delete_many(
                {"_id": {"$in": [each["_id"] for each in old]}, "changed": {"$lte": before}}
            )
            return int(saved + gone.deleted_count)

        return self._store.run("remove expired groups", remove)

    # -- claims --------------------------------------------------------------------------------------------

    def _count(self, head: Head, part: GroupPart, firsts: dict[str, str]) -> GroupCount:
        me = self._id(head, part)
        which = {"_id": part.group_id, "epoch": head["epoch"], "over": False}
        change = {"$inc": {"n": 1}, "$set": {"changed": self._now()}}
        failed = firsts.get(me, "SUCCESS") != "SUCCESS"

        def note(db: Mongo) -> Head | None:
            found: Head | None = db["tq_groups"].find_one_and_update(
                which, change, return_document=ReturnDocument.AFTER
            )
            while found is not None and found["claim"] is None and (failed or _complete(db, found)):
                # A group that grew in between is looked at again.
                same = {**which, "claim": None, "added": found["added"]}
                db["tq_groups"].update_one(same, {"$set": {"claim": me}})
                found = db["tq_groups"].find_one(which)
            return found

        now = self._store.run(_DOING, note)
        if now is None or now["claim"] != me:
            return GroupCount()
        ends = self._store.run(
            _DOING, lambda db: list(db["tq_group_parts"].find({"epoch": head["epoch"]}).sort("index", 1))
        )
        parts = tuple(
            GroupPart(
                part.group_id,
                each["index"],
                each["task_id"],
                each["status"],
                self._load(part, each["result"]),
            )
            for each in ends
        )
        return GroupCount(True, parts, self._load(part, now["structure"]))

    def _heads(self, group_ids: set[str]) -> dict[str, Head]:
        which = {"_id": {"$in": list(group_ids)}, "over": False}
        found = self._store.run(_DOING, lambda db: list(db["tq_groups"].find(which, {"epoch": 1})))
        return {each["_id"]: each for each in found}

    def _id(self, head: Head, part: GroupPart) -> str:
        member = hashlib.sha256(f"{part.index}:{part.task_id}".encode("utf-8", "surrogatepass")).hexdigest()[
            :32
        ]
        return f"{head['epoch']}:{member}"

    def _end(self, head: Head, part: GroupPart) -> dict[str, Any]:
        return {
            "_id": self._id(head, part),
            "epoch": head["epoch"],
            "index": part.index,
            "task_id": part.task_id,
            "status": part.status,
            "result": self._dump(part.result),
        }

    def _dump(self, value: Any) -> Any:
        try:
            return self._documents.dump(value)
        except SerializationError as exc:
            raise BackendError(f"a member of a group cannot be stored: {exc}") from exc

    def _load(self, part: GroupPart, stored: Any) -> Any:
        try:
            return self._documents.load(stored)
        except SerializationError as exc:
            raise unreadable_member(part.group_id, exc) from exc

    def _now(self) -> dt.datetime:
        return self._documents.moment(self._store.now())


def _insert(db: Mongo, ends: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Insert ends that are not there; how each member ended first."""
    firsts = {key: str(end["status"]) for key, end in ends.items()}
    try:
        db["tq_group_parts"].insert_many(list(ends.values()), ordered=False)
    except BulkWriteError as exc:
        refused = exc.details["writeErrors"]
        if any(each["code"] != 11000 for each in refused):
            raise
        again = [list(ends)[each["index"]] for each in refused]
        for known in db["tq_group_parts"].find({"_id": {"$in": again}}, {"status": 1}):
            firsts[known["_id"]] = known["status"]
    return firsts


def _complete(db: Mongo, head: Head) -> bool:
    expected = int(head["size"]) + len(head["added"])
    if head["n"] < expected:
        return False
    return int(db["tq_group_parts"].count_documents({"epoch": head["epoch"]})) >= expected


def _ids(structure: Any) -> list[Any]:
    """The ids of the members of a group, in Celery's form `[[id, parent], [members]]`."""
    try:
        return [member[0][0] for member in structure[1]]
    except (TypeError, IndexError, KeyError):
        return []
