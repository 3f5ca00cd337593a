"""The commands that look at memory."""

from __future__ import annotations

from typing import Any

from tq.worker.control.panel import own
from tq.worker.control.rusage import resident
from tq.worker.control.state import ControlState

_KEPT = 1000
"""Samples that a worker remembers."""


@own("inspect")
def memsample(state: ControlState, **more: Any) -> Any:
    """Sample the memory of the worker's main process."""
    state.samples.append(_shown(resident()))
    del state.samples[:-_KEPT]
    return state.samples[-1]


@own("inspect", args=[("samples", int)], signature="[n_samples=10]")
def memdump(state: ControlState, samples: int = 10, **more: Any) -> Any:
    """Show the last memory samples."""
    count = max(1, min(int(samples), _KEPT))
    lines = [f"{number:>4}: {text}" for number, text in enumerate(state.samples[-count:], 1)]
    return "\n".join([*lines, f"- rss (now): {_shown(resident())}", ""])


def _shown(size: int) -> str:
    return f"{size / 1024 / 1024:.2f}MB"
