"""Whether what was lent is still ours: by the clock, or by asking."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from tq.contracts.broker import Broker
from tq.errors import BrokerError
from tq.records import Delivery

logger = logging.getLogger("tq.worker")

SURE = 0.6
"""Of a lease: heartbeats come every third of it, so what was lent less long ago is ours still. No turn waits longer."""


def is_sure(since: float, lease: float) -> bool:
    """Whether a lease that was certain at that moment (monotonic seconds) is so now."""
    return time.monotonic() - since <= lease * SURE


def still_held(
    broker: Broker, consumer_id: str, lent: Sequence[Delivery], lease: float
) -> Sequence[Delivery] | None:
    """Those that the consumer still holds; None: the broker does not answer in time."""
    asked = time.monotonic()
    try:
        held = broker.held(consumer_id, [int(each.receipt) for each in lent])
    except BrokerError as exc:
        logger.warning("it is unknown what consumer %s holds: %s", consumer_id, exc)
        return None
    receipts = {each.receipt for each in held}
    return [each for each in lent if each.receipt in receipts] if is_sure(asked, lease) else None
