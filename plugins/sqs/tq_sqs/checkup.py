"""What about the set-up of queues at SQS may lose messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tq.records import Finding, Severity
from tq_sqs.queues import Queue
from tq_sqs.server import Server

SHORT: Final = 86400
"""Seconds for which SQS should keep a message that nobody takes."""
FEW: Final = 3
"""Receives after which SQS itself takes a message away; fewer are soon used up."""


def check_up(server: Server, queues: Sequence[Queue]) -> list[Finding]:
    """Ask SQS about these queues. Raises `BrokerError`."""
    return [found for queue in queues for found in _of(queue, _attributes(server, queue), server.shown)]


def _attributes(server: Server, queue: Queue) -> Mapping[str, str]:
    answer = server.call(
        f"look at the set-up of queue {queue.name!r}",
        "get_queue_attributes",
        owner=queue.owner,
        QueueUrl=queue.url,
        AttributeNames=["MessageRetentionPeriod", "RedrivePolicy"],
    )
    found: Mapping[str, str] = answer.get("Attributes", {})
    return found


def _of(queue: Queue, attributes: Mapping[str, str], shown: str) -> Iterator[Finding]:
    kept = int(attributes.get("MessageRetentionPeriod", SHORT))
    if kept < SHORT:
        yield Finding(
            Severity.WARNING,
            f"SQS at {shown} deletes what waits in queue {queue.name!r} for more than {kept / 3600:.1f} h",
            "raise the queue's MessageRetentionPeriod, to 14 days where nothing may be lost",
        )
    policy = json.loads(attributes.get("RedrivePolicy") or "{}")
    receives = int(policy.get("maxReceiveCount", FEW))
    if receives < FEW:
        yield Finding(
            Severity.WARNING,
            f"SQS at {shown} takes messages out of queue {queue.name!r} after {receives} receives, also those that "
            "workers only gave back when they stopped",
            f"raise maxReceiveCount of the queue's redrive policy to {FEW} or more",
        )
