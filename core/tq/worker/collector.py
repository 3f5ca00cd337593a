"""The garbage collector of a worker: as often as a batch of messages needs it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from collections.abc import Iterator

_DEFAULT = 700
"""Python's own first threshold until 3.13; whoever set another one has a reason."""
_NEW_OBJECTS = 10_000
"""A batch of 256 messages makes some 5,000 containers that live until it is settled. With the default, the collector
looks at each of them about seven times in vain: a fifth of the processor time of a no-op (docs/benchmarks/notes.md)."""
_FOR_EACH_BODY = 40
"""So many more for each body that runs beside others: what they hold lives until they end."""
# Of glibc alone: "man 3 malloc_trim". Looked up once, as `tq_prefork` does with what its children call.
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


@contextlib.contextmanager
def patient_collector(bodies: int = 1, *, tidies: bool = False) -> Iterator[None]:
    """Collect after more new objects than by default, in this process and those forked from it, where so many bodies run
    at once.

    What is there already, the application and its libraries, lives as long as the worker: it is not looked at again.
    With `tidies`, for a process that is the worker's alone, what importing has left goes before that: garbage, and memory
    that is free but was not given back, together a fifth of an idle worker (docs/benchmarks/notes.md).
    """
    before = gc.get_threshold()
    freezes = gc.get_freeze_count() == 0
    if tidies:
        _tidy()
    if freezes:
        gc.freeze()
    if before[0] <= _DEFAULT * 3 and gc.isenabled():
        gc.set_threshold(_NEW_OBJECTS + _FOR_EACH_BODY * (bodies - 1), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if freezes:
            gc.unfreeze()


def _tidy() -> None:
    gc.collect()
    if _trim is not None:
        _trim(0)
