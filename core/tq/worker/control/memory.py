"""The commands that look at memory."""

from __future__ import annotations

import shutil
import tempfile
from importlib import import_module
from typing import Any

from tq.worker.control.panel import nok, own
from tq.worker.control.rusage import resident
from tq.worker.control.state import ControlState

_KEPT = 1000
"""Samples that a worker remembers."""
_OBJECTS, _DEPTH = 1000, 30
"""Of a graph, at most: it is drawn by the thread of remote control, which answers nothing else meanwhile."""


@own("inspect")
def memsample(state: ControlState, **more: Any) -> Any:
    """Sample the memory of the worker's main process."""
    state.samples.append(_shown(resident()))
    del state.samples[:-_KEPT]
    return state.samples[-1]


@own("inspect", args=[("samples", int)], signature="[n_samples=10]")
def memdump(state: ControlState, samples: int = 10, **more: Any) -> Any:
    """Show the last memory samples."""
    count = _bounded(samples, _KEPT)
    lines = [f"{number:>4}: {text}" for number, text in enumerate(state.samples[-count:], 1)]
    return "\n".join([*lines, f"- rss (now): {_shown(resident())}", ""])


def _shown(size: int) -> str:
    return f"{size / 1024 / 1024:.2f}MB"


@own(
    "inspect",
    default_timeout=60.0,
    args=[("num", int), ("max_depth", int), ("type", str)],
    signature="[n_objects=200 [max_depth=10 [type=Request]]]",
)
def objgraph(
    state: ControlState, num: int = 200, max_depth: int = 10, type: str = "Request", **more: Any
) -> Any:
    """Draw what refers to objects of a type in the main process, into a file on the worker's machine."""
    try:
        graphs = import_module("objgraph")
    except ImportError:
        return nok(
            "this worker has no objgraph: pip install objgraph (and graphviz, for pictures), and restart it"
        )
    # Without graphviz the library writes its input, which can be drawn elsewhere.
    suffix = ".png" if shutil.which("dot") else ".dot"
    with tempfile.NamedTemporaryFile(prefix="tq-objgraph-", suffix=suffix, delete=False) as file:
        filename = file.name
    objects = graphs.by_type(str(type))[: _bounded(num, _OBJECTS)]
    depth = _bounded(max_depth, _DEPTH)
    graphs.show_backrefs(objects, max_depth=depth, filename=filename)
    return {"filename": filename}


def _bounded(value: int, most: int) -> int:
    return max(1, min(int(value), most))
