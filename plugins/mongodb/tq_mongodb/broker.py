"""MongoDB as broker: every move of a message is one update of one document."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.errors import BulkWriteError

from tq.contracts.broker import Broker, Cap, Consumer
from tq.errors import BrokerUnavailable, EncodeError, PublishError
from tq.records import Action, DeadLetter, Delivery, Envelope, Finding, Heartbeat, QueueStats, Revocation
from tq.wire.envelope import unpack
from tq_mongodb.checkup import check_up
from tq_mongodb.consumer import MongoConsumer, promote
from tq_mongodb.lives import Lives, Verdict
from tq_mongodb.messages import LARGEST, RETURNED, Document, delivery_of, gone, new_message, own_id
from tq_mongodb.options import BrokerOptions, split_url
from tq_mongodb.revocations import Revocations
from tq_mongodb.settling import Settling, accepted
from tq_mongodb.store import Mongo, Store
from tq_mongodb.tables import Tables

_SWEEP = 600.0
"""Seconds between two looks for what is old."""


class MongoBroker(Broker):
    """Messages in MongoDB 4.4 or newer, a single server or a replica set."""

    api_version = 1
    capabilities = (
        Cap.DELAY
        | Cap.PRIORITY
        | Cap.LEASE
        | Cap.ATTEMPTS
        | Cap.ATOMIC_PUBLISH
        | Cap.DEAD_LETTERS
        | Cap.STATS
        | Cap.PURGE
        | Cap.UNIQUE
        | Cap.REVOKE
        | Cap.DURABLE
        | Cap.SHARED
        | Cap.ORDER
    )
    max_body = LARGEST
    options_type = BrokerOptions

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        ours, theirs = split_url(url)
        super().__init__(ours, options)
        self.url = url
        self.options: BrokerOptions
        self._tables = Tables(self.options.collection_prefix)
        self._store = Store(theirs, self.options, "tq", for_results=False, prepare=self._tables.prepare)
        self._lives = Lives(self._store, self._tables)
        self._settling = Settling(self._store, self._tables)
        self._revocations = Revocations(self._store, self._tables)
        self._swept = 0.0

    def __repr__(self) -> str:
        return f"MongoBroker({self._store.shown!r})"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        answers: list[Exception | None] = [None] * len(batch)
        if not batch:
            return answers
        documents: dict[int, Document] = {}

        def insert(db: Mongo) -> None:
            now = self._store.now()
            for at, envelope in enumerate(batch):
                answers[at] = self._prepare(documents, at, envelope, now)
            if not documents:
                return
            try:
                self._tables.messages(db).insert_many(list(documents.values()), ordered=False)
            except BulkWriteError as exc:
                if exc.timeout:
                    raise
                for at, reason in zip(documents, accepted(exc, len(documents)), strict=True):
                    if reason is not None:
                        answers[at] = PublishError(
                            f"MongoDB refused a message: {reason}", url=self._store.shown
                        )

        try:
            self._store.run("publish messages", insert, timeout)
        except BrokerUnavailable as exc:
            exc.in_doubt = bool(documents)
            raise
        return answers

    def consumer(self, queues: Sequence[str], consumer_id: str, *, lease: float) -> Consumer:
        self._lives.begin(consumer_id, queues, lease)
        pause = self.options.poll_interval
        return MongoConsumer(
            consumer_id, queues, self._store, self._tables, self._lives, self._settling, pause
        )

    def close(self) -> None:
        self._store.close()

    def after_fork(self) -> None:
        self._store.after_fork()

    def maintain(self, queues: Sequence[str], *, max_attempts: int = 3) -> Sequence[Delivery]:
        # First, for it comes after a heartbeat of the same worker: by the time that a line which hung lets the others
        # pass, that worker's own leases may be over.
        buried = self._lives.end_overdue(max_attempts)
        self._settling.maintain()
        if queues:
            promote(self._store, self._tables, queues)
        buried += self._lives.give_back_lost(max_attempts)
        if time.monotonic() > self._swept + _SWEEP:
            self._swept = time.monotonic()
            self._settling.sweep()
            self._revocations.sweep()
        return buried

    def heartbeat(self, beats: Sequence[Heartbeat], *, lease: float) -> Sequence[bool]:
        return [self._lives.beat(beat.consumer_id, beat.running, lease) for beat in beats]

    def held(self, consumer_id: str, receipts: Sequence[int]) -> Sequence[Delivery]:
        mine = {"c": consumer_id, "s": "lent", "r": {"$in": list(receipts)}}
        found = self._store.run(
            "read what a consumer holds", lambda db: list(self._tables.messages(db).find(mine))
        )
        return [delivery_of(document, int(document["r"])) for document in found]

    def release(
        self,
        consumer_id: str,
        *,
        running: Sequence[int] = (),
        action: Action = Action.REQUEUE,
        reason: str = "",
        max_attempts: int = 3,
    ) -> Sequence[Delivery]:
        return self._lives.end(consumer_id, Verdict(tuple(running), action.value, reason, max_attempts))

    def findings(self) -> Sequence[Finding]:
        return check_up(self._store)

    def stats(self, queue: str) -> QueueStats:
        promote(self._store, self._tables, [queue])

        def count(db: Mongo) -> tuple[dict[str, int], Document | None, int]:
            table = self._tables.messages(db)
            groups = table.aggregate([{"$match": {"q": queue}}, {"$group": {"_id": "$s", "n": {"$sum": 1}}}])
            numbers = {str(each["_id"]): int(each["n"]) for each in groups}
            oldest = table.find_one({"q": queue, "s": "ready"}, {"o": 1}, sort=[("o", 1)])
            return (
                numbers,
                oldest,
                self._tables.consumers(db).count_documents({"ended": False, "queues": queue}),
            )

        numbers, oldest, consumers = self._store.run("count messages", count)
        return QueueStats(
            queue,
            ready=numbers.get("ready", 0),
            delayed=numbers.get("delayed", 0),
            in_flight=numbers.get("lent", 0),
            dead=numbers.get("dead", 0),
            oldest_age=None if oldest is None else self._store.now() - oldest["o"] / 1e9,
            consumers=consumers,
        )

    def purge(self, queue: str) -> int:
        return self._remove({"q": queue, "s": {"$in": ["ready", "delayed"]}}, "purge a queue")

    def dead_letters(self, queue: str, *, limit: int = 100) -> Sequence[DeadLetter]:
        found = self._store.run(
            "read dead letters",
            lambda db: list(
                self._tables.messages(db).find({"q": queue, "s": "dead"}).sort("died", -1).limit(limit)
            ),
        )
        return [
            DeadLetter(each["_id"], queue, each["why"], each["died"], unpack(bytes(each["raw"])), each["a"])
            for each in found
        ]

    def requeue_dead(self, queue: str, ids: Sequence[str]) -> int:
        dead = {"_id": {"$in": list(ids)}, "q": queue, "s": "dead"}
        change = {
            "$set": {"s": "ready", "a": 1, "o": int(self._store.now() * 1e9)},
            "$unset": {"why": "", "died": "", **RETURNED},
        }
        found = self._store.run(
            "requeue dead letters", lambda db: self._tables.messages(db).update_many(dead, change)
        )
        return int(found.matched_count)

    def drop_dead(self, queue: str, ids: Sequence[str]) -> int:
        return self._remove({"_id": {"$in": list(ids)}, "q": queue, "s": "dead"}, "drop dead letters")

    def revoke(self, batch: Sequence[Revocation], *, expires: float) -> None:
        self._revocations.add(batch, expires)

    def revoked(self, after: int = 0) -> tuple[int, Sequence[Revocation]]:
        return self._revocations.after(after)

    def _prepare(
        self, documents: dict[int, Document], at: int, envelope: Envelope, now: float
    ) -> Exception | None:
        try:
            documents[at] = own_id(new_message(envelope, now, at))
        except EncodeError as exc:
            return PublishError(f"cannot publish to queue {envelope.queue!r}: {exc}", url=self._store.shown)
        except PublishError as exc:
            return exc
        return None

    def _remove(self, which: Document, doing: str) -> int:
        now = self._store.now()

        def remove(db: Mongo) -> int:
            table = self._tables.messages(db)
            unique = table.update_many({**which, "uid": {"$exists": True}}, gone(now)).matched_count
            return unique + table.delete_many({**which, "uid": {"$exists": False}}).deleted_count

        return self._store.run(doing, remove)
