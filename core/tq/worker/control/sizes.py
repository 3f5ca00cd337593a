"""The commands about the pool and the worker itself."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from typing import Any

from tq.contracts.pool import PoolCap, StopMode
from tq.worker.control.panel import nok, ok, own
from tq.worker.control.state import ControlState

logger = logging.getLogger("tq.control")

MOST = 1024
"""Bodies at once that a worker can be told to run."""


@own("control", args=[("n", int)], signature="[N=1]")
def pool_grow(state: ControlState, n: int = 1, **more: Any) -> Any:
    """Grow pool by n processes/threads."""
    return _resize(state, int(n), "grow")


@own("control", args=[("n", int)], signature="[N=1]")
def pool_shrink(state: ControlState, n: int = 1, **more: Any) -> Any:
    """Shrink pool by n processes/threads."""
    return _resize(state, -int(n), "shrink")


def _resize(state: ControlState, by: int, verb: str) -> Any:
    if state.autoscaler is not None:
        return nok(f"pool_{verb} is not supported with autoscale. Adjust autoscale range instead.")
    pool = state.worker.pool
    if PoolCap.RESIZE not in pool.capabilities:
        return nok(f"the {state.pool_name} pool keeps its size; start the worker with another -c")
    size = state.setup.concurrency + by
    if not 1 <= size <= MOST:
        return nok(f"a pool has 1 to {MOST} places, not {size}")
    pool.resize(size)
    state.setup.concurrency = size
    return ok(f"pool will {verb}")


@own("control")
def pool_restart(
    state: ControlState,
    modules: Sequence[str] | None = None,
    reload: bool = False,
    reloader: Any = None,
    **more: Any,
) -> Any:
    """Restart execution pool."""
    if reload or reloader:
        return nok("modules are not reloaded in a running worker: start a new one in its place")
    for module in modules or ():
        importlib.import_module(module)
    if not state.worker.pool.renew():
        return nok(f"the {state.pool_name} pool cannot be restarted")
    return ok("reload started")


@own("control", args=[("max", int), ("min", int)], signature="[max [min]]")
def autoscale(state: ControlState, max: int | None = None, min: int | None = None, **more: Any) -> Any:
    """Modify autoscale settings."""
    if state.autoscaler is None:
        raise ValueError("Autoscale not enabled")
    largest, smallest = state.autoscaler.update(max, min)
    return ok(f"autoscale now max={largest} min={smallest}")


@own("control")
def shutdown(state: ControlState, msg: str = "shutdown was asked for by remote control", **more: Any) -> Any:
    """Shutdown worker(s)."""
    logger.warning("%.300s", msg)
    state.worker.stop(StopMode.WARM)
