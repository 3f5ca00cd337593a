"""From rows to deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from tq.records import Delivery
from tq.wire.envelope import unpack


def delivery(row: Any) -> Delivery:
    """A row with id, queue, charged and payload; never raises for what lies in it."""
    payload = bytes(row.payload)
    return Delivery(unpack(payload), row.queue, row.id, row.charged + 1, len(payload))


_LANE_AND_ID = itemgetter(2, 0)


def in_order(rows: Iterable[Any], queues: Sequence[str]) -> list[Delivery]:
    """Of rows of (id, queue, lane, charged, payload): most urgent first, then in the order of the consumer's queues,
    then oldest first."""
    if len(queues) == 1:
        ordered = sorted(rows, key=_LANE_AND_ID)
    else:
        turn = {queue: at for at, queue in enumerate(queues)}
        ordered = sorted(rows, key=lambda row: (row[2], turn.get(row[1], 0), row[0]))
    return [
        Delivery(unpack(bytes(payload)), queue, key, charged + 1, len(payload))
        for key, queue, _, charged, payload in ordered
    ]
