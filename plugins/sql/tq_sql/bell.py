"""How a consumer hears that there is something new, and how anybody makes it stop waiting."""

from __future__ import annotations

import contextlib
import selectors
import socket
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

from sqlalchemy.engine import Connection


class Interrupt:
    """Ends a wait from any thread or signal handler: a byte in a socket pair, no lock."""

    def __init__(self) -> None:
        self._ear, self._mouth = socket.socketpair()
        self._ear.setblocking(False)
        self._mouth.setblocking(False)

    def fileno(self) -> int:
        return self._ear.fileno()

    def set(self) -> None:
        """Safe in signal handlers; a full pipe already says it, a closed one has no listener."""
        with contextlib.suppress(OSError):
            self._mouth.send(b"!")

    def take(self) -> bool:
        """Whether it was set; it is not any more."""
        heard = False
        with contextlib.suppress(OSError):
            while self._ear.recv(64):
                heard = True
        return heard

    def close(self) -> None:
        self._ear.close()
        self._mouth.close()


class Waiter(ABC):
    """Waits on one connection for the bell of one topic."""

    def __init__(self, conn: Connection, interrupt: Interrupt) -> None:
        self._conn = conn
        self._interrupt = interrupt
        self._selector = selectors.DefaultSelector()
        self._selector.register(interrupt, selectors.EVENT_READ)

    @abstractmethod
    def arm(self) -> None:
        """From now on nothing is missed."""

    @abstractmethod
    def wait(self, seconds: float) -> bool:
        """Return True when something may be new or after an interrupt, False when the time is over."""

    def busy(self) -> None:
        """Something came: look more often again."""

    def disarm(self) -> None:
        """Something may be missed from now on."""

    def close(self) -> None:
        """Never raises because the server is gone."""
        self._selector.close()


class Bell(ABC):
    """Rings once for each transaction that stored something."""

    def ring_inside(self, conn: Connection, names: Collection[str]) -> None:
        """In the transaction, for stores that tell others when it is committed."""

    def ring(self, names: Collection[str], count: int) -> None:
        """After the commit of `count` things. Never raises: whoever does not hear it looks by itself."""

    @abstractmethod
    def waiter(self, conn: Connection, interrupt: Interrupt, names: Sequence[str]) -> Waiter:
        """A listener for these names on this connection, which nobody else uses."""


class PollingWaiter(Waiter):
    """For stores that cannot tell: sleeps between looks, longer and longer."""

    FIRST = 0.02
    LAST = 0.5

    _pause = FIRST

    def arm(self) -> None:
        """Looking needs no preparation."""

    def wait(self, seconds: float) -> bool:
        pause = min(seconds, self._pause)
        self._pause = min(self._pause * 1.5, self.LAST)
        return bool(self._selector.select(max(0.0, pause))) or pause < seconds

    def busy(self) -> None:
        self._pause = self.FIRST


class PollingBell(Bell):
    """No bell at all."""

    def waiter(self, conn: Connection, interrupt: Interrupt, names: Sequence[str]) -> Waiter:
        return PollingWaiter(conn, interrupt)
