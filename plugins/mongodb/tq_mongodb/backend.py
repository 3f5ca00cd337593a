"""MongoDB as result backend, with Celery's collections and documents.

    celery_taskmeta   {"_id": task id, "status", "result": text of the serializer, "traceback", "children",
                       "date_done": date, "group_id"?, "parent_id"?, extended...}
    celery_groupmeta  {"_id": group id, "result": text of a list of ids, "date_done"}

Beside Celery's fields tq writes `tq_stored` (when), `tq_date_done` (MongoDB keeps milliseconds only) and, of a saved
group, `tq_structure`. Source: Celery 5.7, `celery.backends.mongodb`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from tq.contracts.polling import looks
from tq.contracts.results import BackendCap, ResultBackend
from tq.errors import BackendUnavailable
from tq.states import READY_STATES
from tq.wire.result_document import last_of_each
from tq_mongodb.checkup import check_up
from tq_mongodb.documents import Documents
from tq_mongodb.groups import DATE_DONE, Groups
from tq_mongodb.options import BackendOptions, split_url
from tq_mongodb.store import Mongo, Store, make_indexes

if TYPE_CHECKING:
    from tq.contracts.serializer import Serializer
    from tq.records import Finding, GroupCount, GroupPart, GroupStart, TaskMeta

_FIRST_PAUSE = 0.005
_TRIES = 100


class MongoBackend(ResultBackend):
    """Results in MongoDB 4.4 or newer; Celery's `AsyncResult` reads them."""

    api_version = 1
    capabilities = BackendCap.DURABLE | BackendCap.SHARED | BackendCap.GROUPS
    options_type = BackendOptions

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any] | None = None,
        *,
        serializer: Serializer,
        expires: float | None = 86400.0,
    ) -> None:
        ours, theirs = split_url(url)
        super().__init__(ours, options, serializer=serializer, expires=expires)
        self.url = url
        self.options: BackendOptions
        self._store = Store(theirs, self.options, "celery", for_results=True, prepare=self._prepare)
        self._documents = Documents(serializer)
        self._groups = Groups(self._store, self._documents, self.options.groupmeta_collection)

    def __repr__(self) -> str:
        return f"MongoBackend({self._store.shown!r})"

    def store(self, batch: Sequence[TaskMeta]) -> None:
        last = last_of_each(batch)
        now = self._store.now() if last else 0.0
        left = [self._documents.write(meta, now) for meta in last.values()]
        for _ in range(_TRIES):
            if not left:
                return
            left = self._store.run("store results", lambda db, some=left: self._replace(db, some))  # type: ignore[misc]
        raise BackendUnavailable(
            f"cannot store results: others write the same ones at {self._store.shown} all the time; try again",
            url=self._store.shown,
        )

    def get(self, task_ids: Sequence[str]) -> Mapping[str, TaskMeta]:
        return self._find(task_ids, {}) if task_ids else {}

    def wait(self, task_ids: Sequence[str], timeout: float) -> Mapping[str, TaskMeta]:
        if not task_ids:
            return {}
        for _ in looks(timeout, _FIRST_PAUSE, self.options.poll_interval):
            ready = self._find(task_ids, {"status": {"$in": list(READY_STATES)}})
            if ready:
                return ready
        return {}

    def findings(self) -> Sequence[Finding]:
        return check_up(self._store)

    def forget(self, task_ids: Sequence[str]) -> None:
        which = {"_id": {"$in": list(task_ids)}}
        self._store.run("forget results", lambda db: self._tasks(db).delete_many(which))

    def cleanup(self) -> int:
        if self.expires is None:
            return 0
        before = self._documents.moment(self._store.now() - self.expires)
        # What is not done has no date of Celery's.
        old = {"$or": [{"date_done": {"$lte": before}}, {"date_done": None, "tq_stored": {"$lte": before}}]}

        def remove(db: Mongo) -> int:
            return int(self._tasks(db).delete_many(old).deleted_count)

        return self._store.run("remove expired results", remove) + self._groups.cleanup(before)

    def start_group(self, group: GroupStart, *, fresh: bool = False) -> None:
        self._groups.start(group, fresh)

    def count(self, parts: Sequence[GroupPart]) -> Sequence[GroupCount]:
        return self._groups.count(parts)

    def grow_group(self, group_id: str, task_id: str) -> None:
        self._groups.grow(group_id, task_id)

    def end_groups(self, group_ids: Sequence[str]) -> None:
        self._groups.end(group_ids)

    def save_group(self, group_id: str, structure: Any) -> None:
        self._groups.save(group_id, structure)

    def load_group(self, group_id: str) -> Any | None:
        return self._groups.load(group_id)

    def forget_group(self, group_id: str) -> None:
        self._groups.forget(group_id)

    def close(self) -> None:
        self._store.close()

    def after_fork(self) -> None:
        self._store.after_fork()

    def _prepare(self, db: Mongo) -> None:
        make_indexes(self._tasks(db), [DATE_DONE])
        self._groups.prepare(db)

    def _tasks(self, db: Mongo) -> Any:
        return db[self.options.taskmeta_collection]

    def _replace(self, db: Mongo, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Write documents over all but SUCCESS; returns those that have to be tried again."""
        writes = [ReplaceOne(_unless_done(document), document, upsert=True) for document in documents]
        try:
            self._tasks(db).bulk_write(writes, ordered=False)
        except BulkWriteError as exc:
            refused = exc.details["writeErrors"]
            if any(each["code"] != 11000 for each in refused):
                raise
            return self._not_done(db, [documents[each["index"]] for each in refused])
        return []

    def _not_done(self, db: Mongo, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Two that are inserted at once refuse each other; what is SUCCESS is refused for good."""
        ids = [document["_id"] for document in documents if document["status"] != "SUCCESS"]
        done = {
            each["_id"]
            for each in self._tasks(db).find({"_id": {"$in": ids}, "status": "SUCCESS"}, {"_id": 1})
        }
        return [document for document in documents if document["_id"] not in done]

    def _find(self, task_ids: Sequence[str], more: dict[str, Any]) -> dict[str, TaskMeta]:
        which = {"_id": {"$in": list(dict.fromkeys(task_ids))}, **more}
        found = self._store.run("read results", lambda db: list(self._tasks(db).find(which)))
        return {document["_id"]: self._documents.read(document) for document in found}


def _unless_done(document: dict[str, Any]) -> dict[str, Any]:
    if document["status"] == "SUCCESS":
        return {"_id": document["_id"]}
    return {"_id": document["_id"], "status": {"$ne": "SUCCESS"}}
