"""A connection that many threads share, one at a time, and that is opened again when it broke."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from tq_amqp.connect import Connector
from tq_amqp.protocol.failures import Down, Refused
from tq_amqp.protocol.wire import Wire

S = TypeVar("S")
FRESH = 20.0
"""Seconds of silence after which the server is asked for a sign of life before anything is entrusted to it."""
PARTING = 2.0


class Lane(Generic[S]):
    """`session` makes, from a new connection, what its users work with."""

    def __init__(self, connector: Connector, session: Callable[[Wire, float], S]) -> None:
        self._connector = connector
        self._session = session
        self._lock = threading.Lock()
        self._wire: Wire | None = None
        self._open: S | None = None
        self._doubted = False

    def doubt(self) -> None:
        """Another line to the server died, so this one may have as well: use a new one from now on."""
        self._doubted = True

    @contextmanager
    def use(self, until: float) -> Iterator[S]:
        """Have the session alone until the block ends. Raises `Down`, `Refused`."""
        if not self._lock.acquire(timeout=max(0.0, until - time.monotonic())):
            raise Down("other threads of this process were using the connection all the time", sent=False)
        try:
            yield self._ready(until)
        except Down:
            # Answers that did not come in time would be taken for those of the next batch.
            self._drop()
            raise
        except Refused:
            if self._wire is not None and self._wire.ended is not None:
                self._drop()
            raise
        except Exception:
            raise
        except BaseException:
            # A signal's exception may have come in the middle of an answer.
            self._drop()
            raise
        finally:
            self._lock.release()

    def close(self) -> None:
        """Say goodbye."""
        with self._lock:
            wire, self._wire, self._open = self._wire, None, None
            if wire is not None:
                wire.close(time.monotonic() + PARTING)

    def after_fork(self) -> None:
        """Forget the parent's connection: closing the child's copy of its socket says nothing to the server."""
        self._lock = threading.Lock()
        self._drop()

    def _ready(self, until: float) -> S:
        doubted, self._doubted = self._doubted, False
        if self._wire is not None and (doubted or not self._alive(self._wire, until)):
            self._drop()
        if self._wire is None or self._open is None:
            self._wire = self._connector.open(until)
            self._open = self._session(self._wire, until)
        return self._open

    def _alive(self, wire: Wire, until: float) -> bool:
        try:
            if wire.quiet > FRESH:
                share = time.monotonic() + min(2.0, (until - time.monotonic()) / 2)
                wire.channel(share).close(share)
            else:
                wire.peek()
        except (Down, Refused):
            return False
        return True

    def _drop(self) -> None:
        wire, self._wire, self._open = self._wire, None, None
        if wire is not None:
            wire.drop()
