"""What an app has sent."""

from __future__ import annotations

import uuid

from tq import TQ
from tq.records import Delivery, Message


def sent(app: TQ, queue: str = "celery") -> list[Delivery]:
    """Take what was sent to a queue and is due."""
    consumer = app.broker.consumer([queue], uuid.uuid4().hex, lease=30)
    found = list(consumer.receive(1000, 0))
    assert all(isinstance(delivery.message, Message) for delivery in found)
    return found
