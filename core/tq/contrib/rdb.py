"""A debugger inside of a running task, over telnet.

    from tq.contrib import rdb

    @app.task
    def add(x, y):
        rdb.set_trace()

The task stops there and its worker logs where to connect: `telnet 127.0.0.1 6899`. What listens is gone after one
session (`c` goes on with the task, `q` makes it fail). Time limits go on counting.

Each process takes the first free port from `TQ_RDB_PORT` on (6899). The address is `TQ_RDB_HOST`, by default
127.0.0.1. Whoever connects can run any code as the worker's user: at another address than the loopback, a password is
required, `TQ_RDB_PASSWORD`. It crosses the network in clear: use a tunnel (`ssh -L`) where you can. Celery's names,
`CELERY_RDB_HOST` and `CELERY_RDB_PORT`, are read where tq's are not set.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import os
import socket
import sys
from collections.abc import Mapping
from pdb import Pdb
from types import FrameType
from typing import Any, TextIO

from tq.errors import ImproperlyConfigured

logger = logging.getLogger("tq.rdb")

HOST = "127.0.0.1"
PORT = 6899
PORTS = 100
"""So many ports are tried, from the first one up."""
PATIENCE = 60.0
"""Seconds that a connection may take for its password."""
TRIES = 3
"""Wrong passwords of one connection."""
LONGEST_LINE = 1024
"""Characters of a password that are read."""


def set_trace(frame: FrameType | None = None) -> None:
    """Wait for somebody to connect, and debug from here on; `frame` is where, by default the caller's.

    Raises `ImproperlyConfigured` where the address is not the loopback's and there is no password, or no port is
    free.
    """
    where = frame if frame is not None else sys._getframe(1)
    Rdb(**address_of(os.environ)).set_trace(where)


def address_of(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the environment says: host, port and password. Raises `ImproperlyConfigured` for a wrong port."""
    port = environ.get("TQ_RDB_PORT") or environ.get("CELERY_RDB_PORT") or str(PORT)
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ImproperlyConfigured(f"TQ_RDB_PORT is a number from 1 to 65535, not {port!r}")
    return {
        "host": environ.get("TQ_RDB_HOST") or environ.get("CELERY_RDB_HOST") or HOST,
        "port": int(port),
        "password": environ.get("TQ_RDB_PASSWORD") or None,
    }


class Rdb(Pdb):
    """A debugger for one connection; made, it listens. `port` is the first one to try."""

    def __init__(self, host: str = HOST, port: int = PORT, password: str | None = None) -> None:
        if password is None and not _is_loopback(host):
            raise ImproperlyConfigured(
                f"rdb does not listen at {host} without a password: who connects there can run any code. "
                "Set TQ_RDB_PASSWORD, or leave TQ_RDB_HOST away and use a tunnel"
            )
        self._password = password
        self._listener = _listen(host, port)
        self.port: int = self._listener.getsockname()[1]
        self._connection: socket.socket | None = None
        self._stream: TextIO | None = None
        logger.warning(
            "process %d waits for a debugger: telnet %s %d",
            os.getpid(),
            self._listener.getsockname()[0],
            self.port,
        )
        try:
            self._stream = self._accepted()
        finally:
            self._listener.close()
        super().__init__(stdin=self._stream, stdout=self._stream, nosigint=True)
        self.prompt = f"(rdb {os.getpid()}) "

    def _accepted(self) -> TextIO:
        while True:
            connection, peer = self._listener.accept()
            stream = connection.makefile("rw", encoding="utf-8", errors="replace", newline="\n")
            self._connection = connection
            connection.settimeout(PATIENCE)
            try:
                if self._knows_the_password(stream):
                    connection.settimeout(None)
                    logger.warning("the debugger of process %d was opened from %s", os.getpid(), peer[0])
                    return stream
            except OSError as exc:
                logger.warning("a connection to the debugger from %s broke: %s", peer[0], exc)
            else:
                logger.warning("a wrong password for the debugger, from %s", peer[0])
            self.close()

    def _knows_the_password(self, stream: TextIO) -> bool:
        if self._password is None:
            return True
        for _ in range(TRIES):
            stream.write("password: ")
            stream.flush()
            line = stream.readline(LONGEST_LINE)
            if not line:
                return False
            if hmac.compare_digest(line.rstrip("\r\n").encode(), self._password.encode()):
                return True
        return False

    def close(self) -> None:
        """End the session; the program goes on."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError as exc:
                # Whoever debugged has hung up already.
                logger.debug("the debugger's connection was closed before: %s", exc)
            connection.close()

    def interaction(self, *args: Any, **kwargs: Any) -> Any:
        """A connection that breaks ends the session, not the task."""
        try:
            return super().interaction(*args, **kwargs)
        except OSError as exc:
            logger.warning("the connection to the debugger broke: %s; the task goes on", exc)
            self.set_continue()
            self.close()
            return None

    def do_continue(self, arg: str) -> Any:
        """Go on with the task."""
        stop = super().do_continue(arg)
        if not self.breaks:
            self.close()
        return stop

    do_c = do_cont = do_continue

    def do_EOF(self, arg: str) -> bool:
        """Whoever debugged has hung up: the task goes on."""
        self.clear_all_breaks()
        self.set_continue()
        self.close()
        return True

    def do_quit(self, arg: str) -> Any:
        """End the task: it fails with `bdb.BdbQuit`."""
        stop = super().do_quit(arg)
        self.close()
        return stop

    do_q = do_exit = do_quit


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, first: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    problem: OSError | None = None
    for port in range(first, min(first + PORTS, 65536)):
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.bind((host, port))
            listener.listen(1)
        except OSError as exc:
            problem = exc
            listener.close()
        else:
            return listener
    raise ImproperlyConfigured(f"rdb finds no free port at {host} from {first} on: {problem}")
