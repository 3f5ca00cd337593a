"""The bell of a SQLite file: a datagram to one waiting process, in a folder next to the file.

Who waits puts a socket into the folder; who stored something writes a byte to one of them. Whoever was not
told sees by `PRAGMA data_version` that another connection has written. Where the file system has no sockets
(or the path is too long for one) only the latter is left.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import selectors
import socket
import sqlite3
import time
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from tq_sql.bell import Bell, Interrupt, Waiter
from tq_sql.gate import SQLITE

LOOK_TOLD = 0.1
"""Seconds between two looks at the file, where somebody will ring."""
LOOK_ALONE = 0.005, 0.02
"""The same where nobody can: at first, and after a while."""
LOOK_PATIENCE = 30.0
"""Seconds that a look waits for other threads, which have limits of their own."""
_MARKS = 4
_LONGEST = 100
"""Bytes of a socket's path that every system takes."""


class DoorBell(Bell):
    """One topic of one file. `shared`: all who wait want to hear, not just as many as there are messages."""

    def __init__(self, path: Path, topic: str, *, shared: bool) -> None:
        self._folder = f"{path}-bell"
        # Short, because a socket's path has to be.
        self._topic = f"{zlib.crc32(topic.encode()):08x}"
        self._shared = shared
        self._mouth: socket.socket | None = None
        self._pid = 0

    def ring(self, names: Collection[str], count: int) -> None:
        waiting = self._waiting(names)
        if not self._shared and len(waiting) > count:
            waiting = random.sample(waiting, count)
        for path in waiting:
            self._send(path)

    def _waiting(self, names: Collection[str]) -> list[str]:
        try:
            found = [name for name in os.listdir(self._folder) if name.startswith(self._topic)]
        except OSError:
            return []
        if found and not self._shared:
            wanted = [_mark(name) for name in names]
            found = [f for f in found if "." not in f or any(mark in f for mark in wanted)]
        return [f"{self._folder}/{name}" for name in found]

    def _send(self, path: str) -> None:
        if self._mouth is None or self._pid != os.getpid():
            self._mouth = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._mouth.setblocking(False)
            self._pid = os.getpid()
        try:
            self._mouth.sendto(b"!", path)
        except OSError as exc:
            if exc.errno == errno.ECONNREFUSED:
                # Its owner was killed.
                with contextlib.suppress(OSError):
                    os.unlink(path)

    def waiter(self, conn: Connection, interrupt: Interrupt, names: Sequence[str]) -> Waiter:
        marks = "".join(map(_mark, names)) if len(names) <= _MARKS else ""
        return DoorWaiter(conn, interrupt, f"{self._folder}/{self._topic}{marks}")


def _mark(name: str) -> str:
    """Few characters for a queue in the name of a socket; two queues with one mark only cost a look."""
    return f".{zlib.crc32(name.encode()) & 0xFFFF:04x}"


class DoorWaiter(Waiter):
    """Hears the datagrams, and looks at the file now and then."""

    def __init__(self, conn: Connection, interrupt: Interrupt, prefix: str) -> None:
        super().__init__(conn, interrupt)
        self._prefix = prefix
        self._file: Any = conn.connection.driver_connection
        self._version = self._look()
        self._ear: socket.socket | None = None
        self._path = ""
        self._pause = LOOK_ALONE[0]

    def arm(self) -> None:
        self._silence()
        self._version = self._look()
        if self._ear is None:
            self._listen()

    def busy(self) -> None:
        self._pause = LOOK_ALONE[0]

    def _listen(self) -> None:
        path = f"{self._prefix}-{random.getrandbits(32):x}"
        if not hasattr(socket, "AF_UNIX") or len(os.fsencode(path)) > _LONGEST:
            return
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            ear.bind(path)
        except OSError:
            ear.close()
            return
        ear.setblocking(False)
        self._selector.register(ear, selectors.EVENT_READ)
        self._ear, self._path = ear, path

    def disarm(self) -> None:
        """Let nobody ring here any more: what comes is for those who wait."""
        if self._ear is None:
            return
        self._selector.unregister(self._ear)
        self._ear.close()
        self._ear = None
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def wait(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._selector.select(min(left, self._interval())) or self._look() != self._version:
                return True
        return False

    def _interval(self) -> float:
        if self._ear is not None:
            return LOOK_TOLD
        self._pause = min(self._pause * 1.1, LOOK_ALONE[1])
        return self._pause

    def _look(self) -> int:
        try:
            with SQLITE.passed(LOOK_PATIENCE):
                return int(self._file.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error as exc:
            raise OSError(str(exc)) from exc

    def _silence(self) -> None:
        with contextlib.suppress(OSError):
            while self._ear is not None and self._ear.recv(64):
                pass

    def close(self) -> None:
        self.disarm()
        super().close()
