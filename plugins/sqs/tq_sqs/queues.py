"""Queues by name: found or made once, then remembered."""

from __future__ import annotations

import json
import threading
from typing import Any

import msgspec

from tq.errors import BrokerError, BrokerUnavailable
from tq_sqs.faults import MISSING, fault_of
from tq_sqs.names import FIFO, sqs_name
from tq_sqs.server import SECONDS, Server

CREATED_VISIBILITY = 1800
"""Seconds; what Celery gives to the queues that it makes, and what holds for Celery's workers. Source: kombu 5.7."""
RETENTION = 14 * 86400
"""Seconds that SQS keeps a message of a queue that is made here: the longest that it allows."""
DEAD = "-dead"


class Queue(msgspec.Struct, frozen=True):
    """A queue of SQS. `owner`: the predefined queue whose keys are used, or empty."""

    name: str
    url: str
    owner: str = ""

    @property
    def fifo(self) -> bool:
        """Whether SQS keeps order in it."""
        return self.url.endswith(FIFO)


class Queues:
    """The queues of one SQS. Thread-safe."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._options = server.options
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew in a child process."""
        self._lock = threading.Lock()
        self._found: dict[str, Queue] = {}
        self._graves: dict[str, Queue | None] = {}

    def forget(self, name: str) -> None:
        """This queue was removed by somebody."""
        with self._lock:
            self._found.pop(name, None)
            self._graves.pop(name, None)

    def known(self) -> list[Queue]:
        """The predefined queues, and those that were found."""
        for name in self._options.predefined_queues:
            self.find(name)
        with self._lock:
            return list(self._found.values())

    def find(self, name: str, *, seconds: float = SECONDS) -> Queue | None:
        """The queue, or None where there is none."""
        found = self._found.get(name)
        if found is not None:
            return found
        if self._options.predefined_queues:
            return self._remember(self._predefined(name))
        url = self._url(sqs_name(name, self._options.queue_name_prefix), seconds=seconds)
        return self._remember(Queue(name, url)) if url else None

    def ensure(self, name: str, *, seconds: float = SECONDS) -> Queue:
        """The queue, made where there is none."""
        found = self.find(name, seconds=seconds)
        return found or self._remember(
            Queue(name, self._create(sqs_name(name, self._options.queue_name_prefix), seconds))
        )

    def grave(self, queue: Queue, *, make: bool = False) -> Queue | None:
        """Where dead letters of this queue lie: its predefined one, the target of its redrive policy, or one of
        its own, which is made if asked for. None: there is none."""
        if queue.name not in self._graves:
            found = self._grave(queue, make)
            if found is None:
                return None
            with self._lock:
                self._graves[queue.name] = found
        return self._graves[queue.name]

    # -- parts ---------------------------------------------------------------------------------------------

    def _predefined(self, name: str) -> Queue:
        entry = self._options.predefined_queues.get(name)
        if entry is None:
            known = ", ".join(self._options.predefined_queues)
            raise BrokerError(
                f"queue {name!r} is not among the predefined_queues of {self.server.shown} (there are: {known}); "
                "add its URL there, or remove predefined_queues",
                url=self.server.shown,
            )
        return Queue(name, entry.url, name)

    def _remember(self, queue: Queue) -> Queue:
        with self._lock:
            return self._found.setdefault(queue.name, queue)

    def _url(self, name: str, *, seconds: float = SECONDS, owner: str = "", account: str = "") -> str | None:
        more = {"QueueOwnerAWSAccountId": account} if account else {}
        try:
            answer = self.server.call(
                f"find queue {name!r}",
                "get_queue_url",
                owner=owner,
                seconds=seconds,
                QueueName=name,
                **more,
            )
        except BrokerError as exc:
            if is_missing(exc):
                return None
            raise
        return str(answer["QueueUrl"])

    def _create(self, name: str, seconds: float = SECONDS) -> str:
        attributes = {
            "VisibilityTimeout": str(CREATED_VISIBILITY),
            "MessageRetentionPeriod": str(RETENTION),
            **self._options.creation_attributes,
        }
        if name.endswith(FIFO):
            attributes["FifoQueue"] = "true"
        more: dict[str, Any] = {"tags": self._options.queue_tags} if self._options.queue_tags else {}
        try:
            answer = self.server.call(
                f"make queue {name!r}",
                "create_queue",
                seconds=seconds,
                QueueName=name,
                Attributes=attributes,
                **more,
            )
        except BrokerError as exc:
            # Somebody else made it at the same moment, with other attributes.
            if _code(exc) not in ("QueueAlreadyExists", "QueueNameExists"):
                raise
            url = self._url(name, seconds=seconds)
            if url is None:
                raise
            return url
        return str(answer["QueueUrl"])

    def _grave(self, queue: Queue, make: bool) -> Queue | None:
        if queue.owner and (url := self._options.predefined_queues[queue.owner].dead_letter_queue):
            return Queue(queue.name, url, queue.owner)
        target = self._redrive_target(queue)
        if target:
            *_, account, name = target.split(":")
            url = self._url(name, owner=queue.owner, account=account)
            return Queue(queue.name, url, queue.owner) if url else None
        if queue.owner:
            return None
        name = sqs_name(queue.name, self._options.queue_name_prefix, DEAD)
        url = self._url(name) or (self._create(name) if make else None)
        return Queue(queue.name, url) if url else None

    def _redrive_target(self, queue: Queue) -> str:
        answer = self.server.call(
            f"read the redrive policy of queue {queue.name!r}",
            "get_queue_attributes",
            owner=queue.owner,
            QueueUrl=queue.url,
            AttributeNames=["RedrivePolicy"],
        )
        policy = answer.get("Attributes", {}).get("RedrivePolicy")
        return str(json.loads(policy).get("deadLetterTargetArn", "")) if policy else ""


def is_missing(exc: Exception) -> bool:
    """Whether SQS said that there is no such queue."""
    return isinstance(exc.__cause__, Exception) and fault_of(exc.__cause__).code in MISSING


def not_yet(queue: Queue, url: str) -> BrokerUnavailable:
    """A queue that was made or found is not there: SQS needs up to a second, or somebody removes it."""
    advice = f"check {queue.url!r} in predefined_queues, or " if queue.owner else ""
    return BrokerUnavailable(
        f"queue {queue.name!r} at {url} is not there; {advice}try again in a second", url=url
    )


def _code(exc: BrokerError) -> str:
    return fault_of(exc.__cause__).code if isinstance(exc.__cause__, Exception) else ""
