"""Sending in batches: an answer for each message."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from tq.errors import BrokerError, BrokerUnavailable, PublishError
from tq_sqs.faults import TOO_LONG, Fault, error_of, fault_of
from tq_sqs.messages import LARGEST, Parcel, batches
from tq_sqs.queues import Queue, Queues, is_missing, not_yet

Answer = Exception | None


class Sender:
    """Puts parcels into queues."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._server = queues.server

    def send(self, queue: Queue, parcels: Sequence[Parcel], until: float) -> list[Answer]:
        """One answer for each parcel; nothing is raised. `until` is a moment of `time.monotonic`."""
        answers: list[Answer] = [self._too_big(parcel) for parcel in parcels]
        fit = [at for at, answer in enumerate(answers) if answer is None]
        cut = [[fit[at] for at in batch] for batch in batches([parcels[at].size for at in fit])]

        def send(places: Sequence[int]) -> list[Answer]:
            return self._batch(queue, [parcels[at] for at in places], until)

        # Only one after the other keeps the order of a FIFO queue.
        sent = [send(places) for places in cut] if queue.fifo else self._server.each(send, cut)
        for places, part in zip(cut, sent, strict=True):
            for at, answer in zip(places, part, strict=True):
                answers[at] = answer
        return answers

    def _batch(self, queue: Queue, parcels: Sequence[Parcel], until: float) -> list[Answer]:
        left = until - time.monotonic()
        if left <= 0:
            return [
                BrokerUnavailable("the time for publishing was over", url=self._server.shown) for _ in parcels
            ]
        entries = [parcel.entry(number, fifo=queue.fifo) for number, parcel in enumerate(parcels)]
        try:
            answer = self._server.call(
                f"publish to queue {queue.name!r}",
                "send_message_batch",
                owner=queue.owner,
                seconds=left,
                QueueUrl=queue.url,
                Entries=entries,
            )
        except BrokerError as exc:
            return self._failed(queue, parcels, until, exc)
        answers: list[Answer] = [None] * len(parcels)
        for failed in answer.get("Failed", ()):
            answers[int(failed["Id"])] = self._refusal(queue, failed)
        return answers

    def _failed(
        self, queue: Queue, parcels: Sequence[Parcel], until: float, exc: BrokerError
    ) -> list[Answer]:
        if is_missing(exc):
            self._queues.forget(queue.name)
            return [not_yet(queue, self._server.shown) for _ in parcels]
        if _refuses_one(exc):
            if len(parcels) > 1:
                # SQS refuses a whole batch for one entry, or for its length.
                middle = len(parcels) // 2
                return self._batch(queue, parcels[:middle], until) + self._batch(
                    queue, parcels[middle:], until
                )
            refused = PublishError(str(exc), url=self._server.shown)
            refused.__cause__ = exc
            return [refused]
        return [exc for _ in parcels]

    def _refusal(self, queue: Queue, failed: dict[str, Any]) -> BrokerError:
        code = str(failed.get("Code", "?")).rpartition(".")[2]
        fault = Fault(code, str(failed.get("Message", "")), 400 if failed.get("SenderFault", True) else 503)
        error = error_of(fault, f"publish to queue {queue.name!r}", self._server.shown)
        return error if fault.temporary else PublishError(str(error), url=error.url)

    def _too_big(self, parcel: Parcel) -> Answer:
        size = parcel.size
        if size <= LARGEST:
            return None
        return PublishError(
            f"a message of {size:,} bytes is too big for SQS at {self._server.shown}, which takes {LARGEST:,} (its "
            "base64 form counts); pass a reference to the data instead of the data",
            url=self._server.shown,
        )


def _refuses_one(exc: BrokerError) -> bool:
    if not isinstance(exc.__cause__, Exception):
        return False
    fault = fault_of(exc.__cause__)
    return (
        fault.code in TOO_LONG
        or fault.code.startswith("InvalidParameter")
        or fault.code == "InvalidMessageContents"
    )
