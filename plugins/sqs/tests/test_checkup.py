"""What `findings()` says of queues at SQS."""

from __future__ import annotations

import json
from typing import Any

from tq.records import Severity
from tq_sqs import SqsBroker


def test_queues_that_lose_messages_are_told(sqs: Any, sqs_url: str) -> None:
    broker = SqsBroker(sqs_url)
    made = sqs.create_queue(QueueName="mails", Attributes={"MessageRetentionPeriod": "3600"})["QueueUrl"]
    assert broker.findings() == []
    assert broker.stats("mails").ready == 0
    (found,) = broker.findings()
    assert found.severity is Severity.WARNING and "'mails' for more than 1.0 h" in found.what
    grave = sqs.create_queue(QueueName="grave")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=grave, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    sqs.set_queue_attributes(
        QueueUrl=made, Attributes={"MessageRetentionPeriod": "1209600", "RedrivePolicy": policy}
    )
    (found,) = broker.findings()
    assert found.severity is Severity.WARNING and "after 1 receives" in found.what
    broker.close()
