"""One delivery on its way through the worker: admit, perform, conclude.

`admit` reads the message and decides whether it may run; `perform` runs the body; `conclude` turns the
outcome into what has to happen in the stores. None of the three raises for anything that a message or a body
does, and none does I/O: that is the engine's part.
"""

from __future__ import annotations

from tq.worker.admit import Admitting
from tq.worker.conclude import Concluding
from tq.worker.perform import Performing


class Executor(Admitting, Performing, Concluding):
    """The three steps on one set of fields; see `Steps`."""

    __slots__ = ()
