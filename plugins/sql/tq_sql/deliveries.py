"""From rows to deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tq.records import Delivery
from tq.wire.envelope import unpack


def delivery(row: Any) -> Delivery:
    """A row with id, queue, charged and payload; never raises for what lies in it."""
    payload = bytes(row.payload)
    return Delivery(unpack(payload), row.queue, row.id, row.charged + 1, len(payload))


def in_order(rows: Iterable[Any], queues: Sequence[str]) -> list[Delivery]:
    """Most urgent first, then in the order of the consumer's queues, then oldest first."""
    turn = {queue: at for at, queue in enumerate(queues)}
    return [delivery(row) for row in sorted(rows, key=lambda r: (r.lane, turn.get(r.queue, 0), r.id))]
