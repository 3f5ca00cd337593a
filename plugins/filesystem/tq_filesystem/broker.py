"""A shared directory as broker: every move of a message is one rename."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tq.contracts.broker import Broker, Cap, Consumer
from tq.errors import BrokerError, EncodeError, PublishError
from tq.records import Action, DeadLetter, Delivery, Envelope, Finding, Heartbeat, QueueStats, Revocation
from tq.wire.envelope import unpack
from tq_filesystem.arrivals import DAY, Arrivals, arrival_of
from tq_filesystem.checkup import check_up
from tq_filesystem.commits import Commits
from tq_filesystem.consumer import FilesystemConsumer
from tq_filesystem.faults import broker_faults
from tq_filesystem.files import names, read
from tq_filesystem.labels import key_of, read_label, read_lent, with_bytes
from tq_filesystem.letters import Letters
from tq_filesystem.lives import Lives, Verdict
from tq_filesystem.options import BrokerOptions, broker_folder, refuse_explained
from tq_filesystem.place import Place
from tq_filesystem.revocations import Revocations
from tq_filesystem.shelf import Shelf

_SWEEP = 600.0
"""Seconds between two looks for what is old."""


class FilesystemBroker(Broker):
    """Messages in files of one folder, for any number of processes, on machines that share it."""

    api_version = 1
    capabilities = (
        Cap.DELAY
        | Cap.ORDER
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
    options_type = BrokerOptions

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        refuse_explained(url, options or {})
        super().__init__(url, options)
        self.options: BrokerOptions
        folder = broker_folder(url, self.options).absolute()
        self._folder = str(folder)
        self._place = Place(folder, sync=self.options.fsync, mode=self.options.permissions)
        self._letters = Letters(self._place)
        self._lives = Lives(self._place, self._letters)
        self._arrivals = Arrivals(self._place)
        self._commits = Commits(self._place, self._arrivals, self._letters)
        self._revocations = Revocations(self._place)
        self._swept = 0.0

    def __repr__(self) -> str:
        return f"FilesystemBroker({self._folder!r})"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        now = time.time_ns()
        clock = self._now() if any(envelope.delay > 0 for envelope in batch) else 0.0
        answers = [self._publish(envelope, now, number, clock) for number, envelope in enumerate(batch)]
        accepted: dict[str, list[int]] = {}
        for at, envelope in enumerate(batch):
            if answers[at] is None:
                accepted.setdefault(envelope.queue, []).append(at)
        for queue, places in accepted.items():
            error = self._settled(queue, [batch[at].delay > 0 for at in places])
            if error is not None:
                answers = [error if at in places else answer for at, answer in enumerate(answers)]
        return answers

    def consumer(self, queues: Sequence[str], consumer_id: str, *, lease: float) -> Consumer:
        with broker_faults(self._folder, "register a consumer"):
            for name in queues:
                self._place.open_queue(name)
            path = self._lives.begin(consumer_id, queues, lease)
        return FilesystemConsumer(
            consumer_id,
            queues,
            path,
            self._place,
            self._lives,
            self._letters,
            self._commits,
            self.options.poll_interval,
        )

    def close(self) -> None:
        """Nothing is kept open."""

    def maintain(self, queues: Sequence[str], *, max_attempts: int = 3) -> Sequence[Delivery]:
        with broker_faults(self._folder, "maintain queues"):
            self._place.open()
            self._commits.maintain()
            for name in queues:
                path = self._place.open_queue(name)
                self._arrivals.maintain(path)
                Shelf(self._place, name).promote()
            buried = [
                each for key in names(self._place.ended) for each in self._lives.give_back(key, max_attempts)
            ]
            for key in self._lives.overdue():
                buried += self._lives.end(key, max_attempts=max_attempts)
            self._sweep()
            return buried

    def heartbeat(self, beats: Sequence[Heartbeat], *, lease: float) -> Sequence[bool]:
        with broker_faults(self._folder, "keep consumers alive"):
            return [self._lives.beat(beat.consumer_id, beat.running, lease) for beat in beats]

    def held(self, consumer_id: str, receipts: Sequence[int]) -> Sequence[Delivery]:
        path, wanted, found = self._lives.path(consumer_id), set(receipts), []
        with broker_faults(self._folder, "read what a consumer holds"):
            for name in names(path):
                lent = read_lent(name)
                raw = read(path / name) if lent is not None and lent.receipt in wanted else None
                if lent is not None and raw is not None:
                    queue = self._place.queue_name(lent.queue_key)
                    found.append(Delivery(unpack(raw), queue, lent.receipt, lent.label.attempt, len(raw)))
        return found

    def release(
        self,
        consumer_id: str,
        *,
        running: Sequence[int] = (),
        action: Action = Action.REQUEUE,
        reason: str = "",
        max_attempts: int = 3,
    ) -> Sequence[Delivery]:
        verdict = Verdict(tuple(running), action.value, with_bytes(reason), max_attempts)
        with broker_faults(self._folder, "give back what a consumer held"):
            return self._lives.end(key_of(consumer_id), verdict)

    def findings(self) -> Sequence[Finding]:
        with broker_faults(self._folder, "look at the set-up"):
            return check_up(self._place.root, synced=self.options.fsync)

    def stats(self, queue: str) -> QueueStats:
        with broker_faults(self._folder, "count messages"):
            shelf = Shelf(self._place, queue)
            shelf.promote()
            labels = [
                label for name in names(shelf.path / "ready") if (label := read_label(name)) is not None
            ]
            oldest = min((label.arrival for label in labels), default=None)
            living = [self._place.consumers / key for key in names(self._place.consumers)]
            lent = [read_lent(name) for path in living for name in names(path)]
            beats = [self._lives.last(path) for path in living]
            return QueueStats(
                queue,
                ready=len(labels),
                delayed=len(names(shelf.path / "delayed")),
                in_flight=sum(each is not None and each.queue_key == shelf.key for each in lent),
                dead=len(names(shelf.path / "dead")),
                oldest_age=None if oldest is None else time.time() - oldest / 1e9,
                consumers=sum(beat is not None and queue in beat.queues for beat in beats),
            )

    def purge(self, queue: str) -> int:
        with broker_faults(self._folder, "purge a queue"):
            path = self._place.queue(key_of(queue))
            return sum(
                self._place.files.remove(path / folder / name)
                for folder in ("ready", "delayed")
                for name in names(path / folder)
            )

    def dead_letters(self, queue: str, *, limit: int = 100) -> Sequence[DeadLetter]:
        with broker_faults(self._folder, "read dead letters"):
            return self._letters.read(queue, limit)

    def requeue_dead(self, queue: str, ids: Sequence[str]) -> int:
        with broker_faults(self._folder, "requeue dead letters"):
            return self._letters.requeue(queue, ids)

    def drop_dead(self, queue: str, ids: Sequence[str]) -> int:
        with broker_faults(self._folder, "drop dead letters"):
            return self._letters.drop(queue, ids)

    def revoke(self, batch: Sequence[Revocation], *, expires: float) -> None:
        with broker_faults(self._folder, "revoke tasks"):
            self._revocations.add(batch, expires)

    def revoked(self, after: int = 0) -> tuple[int, Sequence[Revocation]]:
        with broker_faults(self._folder, "read revocations"):
            return self._revocations.after(after)

    def _publish(self, envelope: Envelope, now: int, number: int, clock: float) -> Exception | None:
        try:
            with broker_faults(self._folder, "publish a message"):
                self._arrivals.publish(envelope, arrival_of(envelope, now, number, clock))
        except EncodeError as exc:
            return PublishError(f"cannot publish to queue {envelope.queue!r}: {exc}", url=self._folder)
        except BrokerError as exc:
            return exc
        return None

    def _settled(self, queue: str, delayed: Sequence[bool]) -> BrokerError | None:
        try:
            with broker_faults(self._folder, "publish a message"):
                self._arrivals.settled(queue, ready=not all(delayed), delayed=any(delayed))
        except BrokerError as exc:
            return exc
        return None

    def _now(self) -> float:
        with broker_faults(self._folder, "publish a message"):
            self._place.open()
            return self._place.now()

    def _sweep(self) -> None:
        if time.monotonic() < self._swept + _SWEEP:
            return
        self._swept, now = time.monotonic(), self._place.now()
        self._arrivals.forget_marks(now)
        self._lives.forget(now, DAY)
        self._commits.sweep(now)
        self._revocations.forget(now)
