"""The life of a forked child, from the fork to its exit."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import NoReturn

from tq.contracts.pool import Engine, PoolSetup, StopMode
from tq_prefork.lifeline import Lifeline
from tq_prefork.line import answer_all
from tq_prefork.seat import SharedSeat

logger = logging.getLogger("tq.pool")

WARM_SIGNAL = signal.SIGTERM
COLD_SIGNAL = signal.SIGQUIT
# A terminal sends these to the whole group; what they mean is for the parent to decide.
_FOR_THE_PARENT = (signal.SIGINT, signal.SIGHUP)


class StopSignals:
    """Turns the parent's signals into `Engine.stop`; remembers one that comes before there is an engine."""

    def __init__(self) -> None:
        self._mode: StopMode | None = None
        self._engine: Engine | None = None

    def install(self) -> None:
        """Take the place of every handler that the parent had installed for itself."""
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)
        for number in _FOR_THE_PARENT:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(WARM_SIGNAL, self._stop)
        signal.signal(COLD_SIGNAL, self._stop)

    def attach(self, engine: Engine) -> None:
        """From now on signals stop this engine."""
        self._engine = engine
        if self._mode is not None:
            engine.stop(self._mode)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        mode = StopMode.COLD if number == COLD_SIGNAL else StopMode.WARM
        self._mode = max(mode, self._mode or mode)
        if self._engine is not None:
            self._engine.stop(self._mode)


def live(
    index: int,
    seat: SharedSeat,
    setup: PoolSetup,
    lifeline: Lifeline,
    forget: Callable[[], None],
    mask: Iterable[int],
    line: socket.socket,
) -> NoReturn:
    """Work until told to stop, then exit. `forget` drops what only the parent needs; `line` brings its questions.

    Called with all signals blocked; `mask` is the signal mask to live under.
    """
    status = 1
    try:
        gc.freeze()
        stops = StopSignals()
        stops.install()
        lifeline.follow()
        forget()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        setup.in_child(index)
        engine = setup.inline_engine(seat, max_tasks=setup.max_tasks_per_child)
        stops.attach(engine)
        threading.Thread(target=answer_all, args=(line, setup.answer), name="tq-answers", daemon=True).start()
        engine.run()
        seat.say_ended()
        setup.leave_child(index)
        status = 0
    except BaseException:
        logger.critical("child %d of the pool (pid %d) cannot go on", index, os.getpid(), exc_info=True)
    finally:
        # Neither the parent's exit handlers nor its stack are the child's.
        flush()
        os._exit(status)


def flush() -> None:
    """Write out what the standard streams hold, so that no text is written twice or lost."""
    for stream in (sys.stdout, sys.stderr):
        # A stream that is closed, or whose reader has gone, has nothing left to save.
        with contextlib.suppress(OSError, ValueError):
            if stream is not None:
                stream.flush()
