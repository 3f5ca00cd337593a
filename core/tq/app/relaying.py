"""Has a worker hear its broadcasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tq.records import Queue
from tq.wire.ids import new_id
from tq.worker.relay import Relay
from tq.worker.setup import WorkerSetup

if TYPE_CHECKING:
    from tq.app.app import TQ

KEPT = 3_600_000
"""Milliseconds that RabbitMQ keeps the queue of a worker that is gone without a word."""


def own_queue(app: TQ) -> str:
    """Make the broker know a queue for one worker alone; its name."""
    name = f"bcast.{new_id()}"
    app.declare(app.broker, [Queue(name, queue_arguments={"x-expires": KEPT})])
    return name


def relays_of(app: TQ, setup: WorkerSetup, own: str, heard: Sequence[str]) -> list[Relay]:
    """Bring what is said in these broadcasts into the worker's own queue."""
    channels = app.broadcasts.channels
    return [Relay(app.broker, channels[name], own, setup) for name in heard]
