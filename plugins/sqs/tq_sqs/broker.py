"""Amazon SQS as broker."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tq.contracts.broker import Broker, Cap
from tq.errors import BrokerError, BrokerUnavailable, EncodeError
from tq.records import Action, QueueStats
from tq_sqs import scan
from tq_sqs.checkup import check_up
from tq_sqs.consumer import SqsConsumer
from tq_sqs.ending import Ending
from tq_sqs.holding import Holding
from tq_sqs.letters import Letters
from tq_sqs.messages import LARGEST, Parcel, parcel_of
from tq_sqs.options import Options, refuse_explained
from tq_sqs.purging import purge
from tq_sqs.queues import Queue, Queues, is_missing
from tq_sqs.sending import Sender
from tq_sqs.server import Server
from tq_sqs.settling import Settling

if TYPE_CHECKING:
    from tq.contracts.broker import Consumer
    from tq.records import DeadLetter, Delivery, Envelope, Finding


class SqsBroker(Broker):
    """SQS, or what speaks its protocol. Celery's workers and clients may use the same queues."""

    api_version = 1
    capabilities = Cap.DELAY | Cap.DEAD_LETTERS | Cap.STATS | Cap.PURGE | Cap.DURABLE | Cap.SHARED
    max_body = LARGEST
    options_type = Options

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        refuse_explained(url, options or {})
        super().__init__(url, options)
        self.options: Options
        self._server = Server(url, self.options)
        self._queues = Queues(self._server)
        self._sender = Sender(self._queues)
        self._letters = Letters(self._queues, self._sender)

    def __repr__(self) -> str:
        return f"SqsBroker({self._server.shown!r})"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        answers = self._publish(batch, time.monotonic() + timeout)
        away = [answer for answer in answers if isinstance(answer, BrokerUnavailable)]
        if away and len(away) == len(answers):
            raise next((error for error in away if error.in_doubt), away[0])
        return answers

    def consumer(self, queues: Sequence[str], consumer_id: str, *, lease: float) -> Consumer:
        found = [self._queues.ensure(name) for name in dict.fromkeys(queues)]
        for queue in found:
            if queue.owner and self.options.dead_letters == "keep" and self._queues.grave(queue) is None:
                raise self._letters.no_grave(queue)
        # SQS counts whole seconds.
        visibility = max(1, round(self.options.visibility_timeout or lease))
        holding = Holding(self._server, self._sender, visibility)
        settling = Settling(holding, self._letters, self._publish)
        return SqsConsumer(
            consumer_id, found, self._queues, holding, settling, wait=self.options.wait_time_seconds
        )

    def maintain(self, queues: Sequence[str], *, max_attempts: int = 3) -> Sequence[Delivery]:
        """SQS does by itself what time asks for. But the time of what a child ran goes on when it dies, and who ends that
        run then, the process that calls this, is to be ready for it."""
        for name in queues:
            self._server.prepare(self._queues.ensure(name).owner)
        return ()

    def end_run(
        self,
        consumer_id: str,
        delivery: Delivery,
        *,
        action: Action = Action.REQUEUE,
        reason: str = "",
        max_attempts: int = 3,
    ) -> Sequence[Delivery]:
        ending = Ending(self._server, self._sender, self._letters)
        return ending.end(self._queues.ensure(delivery.queue), delivery, action, reason, max_attempts)

    def close(self) -> None:
        self._server.close()

    def after_fork(self) -> None:
        self._server.after_fork()
        self._queues.after_fork()

    def findings(self) -> Sequence[Finding]:
        """Of the queues that are predefined or were used."""
        return check_up(self._server, self._queues.known())

    def stats(self, queue: str) -> QueueStats:
        found = self._queues.find(queue)
        try:
            counts = scan.counts(self._server, found) if found else {}
            dead = self._letters.count(found) if found else 0
        except BrokerError as exc:
            if not is_missing(exc):
                raise
            self._queues.forget(queue)
            counts, dead = {}, 0
        return QueueStats(
            queue,
            counts.get(scan.READY, 0),
            delayed=counts.get(scan.DELAYED, 0),
            in_flight=counts.get(scan.LENT, 0),
            dead=dead,
        )

    def purge(self, queue: str) -> int:
        found = self._queues.find(queue)
        return purge(self._server, found) if found else 0

    def dead_letters(self, queue: str, *, limit: int = 100) -> Sequence[DeadLetter]:
        return self._letters.read(queue, limit)

    def requeue_dead(self, queue: str, ids: Sequence[str]) -> int:
        return self._letters.requeue(queue, ids)

    def drop_dead(self, queue: str, ids: Sequence[str]) -> int:
        return self._letters.drop(queue, ids)

    def _publish(self, batch: Sequence[Envelope], until: float) -> list[Exception | None]:
        answers: list[Exception | None] = [None] * len(batch)
        parcels: dict[str, list[tuple[int, Parcel]]] = {}
        for at, envelope in enumerate(batch):
            try:
                parcel = parcel_of(envelope, base64_body=self.options.sqs_base64_encoding)
            except EncodeError as exc:
                answers[at] = exc
            else:
                parcels.setdefault(envelope.queue, []).append((at, parcel))
        for name, numbered in parcels.items():
            sent = self._send(name, [parcel for _, parcel in numbered], until)
            for (at, _), answer in zip(numbered, sent, strict=True):
                answers[at] = answer
        return answers

    def _send(self, name: str, parcels: Sequence[Parcel], until: float) -> Sequence[Exception | None]:
        try:
            queue: Queue = self._queues.ensure(name, seconds=max(0.5, until - time.monotonic()))
        except BrokerError as exc:
            if isinstance(exc, BrokerUnavailable):
                exc.in_doubt = False  # The queue was asked for, and nothing sent.
            return [exc for _ in parcels]
        return self._sender.send(queue, parcels, until)
