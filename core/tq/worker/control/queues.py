"""The commands about what a worker reads."""

from __future__ import annotations

import logging
from typing import Any

from tq.worker.control.panel import nok, ok, own
from tq.worker.control.state import ControlState

logger = logging.getLogger("tq.control")

MOST = 250
"""Queues of one worker."""
LONGEST = 255


@own(
    "control",
    args=[("queue", str), ("exchange", str), ("exchange_type", str), ("routing_key", str)],
    signature="<queue> [exchange [type [routing_key]]]",
)
def add_consumer(state: ControlState, queue: str, **more: Any) -> Any:
    """Tell worker(s) to read a queue as well."""
    if not isinstance(queue, str) or not 0 < len(queue) <= LONGEST:
        return nok(f"a queue's name has 1 to {LONGEST} characters")
    stores = state.setup.stores
    if queue in stores.broadcasts:
        return nok(f"{queue} is a broadcast; only a worker that starts with it listens to it")
    if queue not in stores.queues:
        if len(stores.queues) >= MOST:
            return nok(f"a worker reads at most {MOST} queues")
        return _read(state, (*stores.queues, queue), f"add consumer {queue}")
    return ok(f"add consumer {queue}")


@own("control", args=[("queue", str)], signature="<queue>")
def cancel_consumer(state: ControlState, queue: str, **more: Any) -> Any:
    """Tell worker(s) to stop reading a queue."""
    stores = state.setup.stores
    left = tuple(name for name in stores.queues if name != queue)
    if not left:
        return nok(f"{queue} is the only queue of this worker; shut it down instead")
    if queue in stores.queues:
        return _read(state, left, f"no longer consuming from {queue}")
    return ok(f"no longer consuming from {queue}")


def _read(state: ControlState, queues: tuple[str, ...], said: str) -> Any:
    stores = state.setup.stores
    before, stores.queues = stores.queues, queues
    if not state.worker.pool.renew():
        stores.queues = before
        return nok(f"the {state.pool_name} pool cannot change its queues while it runs")
    logger.info("now reading %s", ", ".join(queues))
    return ok(said)
