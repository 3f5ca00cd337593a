"""Reading a whole queue, which SQS has no request for: borrow all messages, look, and give them back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tq_sqs.messages import PER_BATCH
from tq_sqs.queues import Queue
from tq_sqs.server import SECONDS, Server

VISIBILITY = 60
"""Seconds that others do not see what is borrowed, if nobody gives it back."""
Message = dict[str, Any]
Counts = dict[str, int]
READY, DELAYED, LENT = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
)


def counts(server: Server, queue: Queue) -> Counts:
    """About how many messages wait, are delayed and are lent."""
    answer = server.call(
        f"count the messages of queue {queue.name!r}",
        "get_queue_attributes",
        owner=queue.owner,
        QueueUrl=queue.url,
        AttributeNames=[READY, DELAYED, LENT],
    )
    return {name: int(value) for name, value in answer.get("Attributes", {}).items()}


def borrow(server: Server, queue: Queue) -> Iterator[list[Message]]:
    """All messages that wait, up to ten at a time."""
    expected, seen = counts(server, queue).get(READY, 0), 0
    while True:
        answer = server.call(
            f"read queue {queue.name!r}",
            "receive_message",
            owner=queue.owner,
            seconds=SECONDS + 1,
            QueueUrl=queue.url,
            MaxNumberOfMessages=PER_BATCH,
            # A short request asks some of SQS's servers only: wait where it has not yet brought all.
            WaitTimeSeconds=0 if seen >= expected else 1,
            VisibilityTimeout=VISIBILITY,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        found: list[Message] = answer.get("Messages", [])
        if not found:
            return
        seen += len(found)
        yield found


def give_back(server: Server, queue: Queue, borrowed: Sequence[Message]) -> None:
    """Let others see these again."""
    _each(
        server, queue, "change_message_visibility_batch", borrowed, lambda message: {"VisibilityTimeout": 0}
    )


def delete(server: Server, queue: Queue, borrowed: Sequence[Message]) -> int:
    """Remove these; how many were there."""
    return _each(server, queue, "delete_message_batch", borrowed, lambda message: {})


def _each(
    server: Server,
    queue: Queue,
    operation: str,
    borrowed: Sequence[Message],
    more: Callable[[Message], Message],
) -> int:
    done = 0
    for at in range(0, len(borrowed), PER_BATCH):
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"], **more(message)}
            for number, message in enumerate(borrowed[at : at + PER_BATCH])
        ]
        answer = server.call(
            f"change queue {queue.name!r}", operation, owner=queue.owner, QueueUrl=queue.url, Entries=entries
        )
        done += len(answer.get("Successful", ()))
    return done
