"""Connections that threads of one process share, one call at a time."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import Any

from tq_redis.connect import Connector
from tq_redis.link import Down, Link, Refused
from tq_redis.scripts import Script

_KEPT = 16
"""How many idle connections are kept open."""


class Pool:
    """Lends links. Thread-safe; a forked child starts with none."""

    def __init__(self, connector: Connector, limit: int | None) -> None:
        self._connector = connector
        self._limit = limit
        self._reset()

    def call(self, data: bytes, replies: int, until: float, *, again: bool = False) -> list[Any]:
        """Send packed commands; one reply each, error replies as values of `Refused`.

        A connection that turns out to be gone is replaced once, where the server has not seen the command
        or where `again` says that a second time does no harm. Raises `Down`.
        """
        link = self._take(until)
        try:
            return self._use(link, data, replies, until)
        except Down as exc:
            if exc.sent and not (again and time.monotonic() < until):
                raise
        return self._use(self._take(until), data, replies, until)

    def run(
        self, script: Script, keys: list[Any], args: list[Any], until: float, *, again: bool = False
    ) -> Any:
        """Run a script; its reply. Raises `Down` and `Refused`."""
        (reply,) = self.call(script.command(keys, args), 1, until, again=again)
        if script.unknown(reply):
            (reply,) = self.call(script.source(keys, args), 1, until, again=again)
        if isinstance(reply, Refused):
            raise reply
        return reply

    def close(self) -> None:
        """Close what is idle; a link that is in use is closed when it comes back."""
        while self._idle:
            self._idle.pop().close()

    def after_fork(self) -> None:
        """Drop the parent's connections, of which the sockets stay open in the parent."""
        inherited = self._idle
        self._reset()
        for link in inherited:
            link.close()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._idle: deque[Link] = deque()
        self._free = threading.Semaphore(self._limit) if self._limit else None

    def _use(self, link: Link, data: bytes, replies: int, until: float) -> list[Any]:
        try:
            found = link.call(data, replies, until)
        except BaseException:
            # Also for KeyboardInterrupt: a link with an answer on its way would give it to the next caller.
            link.close()
            raise
        else:
            self._keep(link, found)
        finally:
            if self._free:
                self._free.release()
        return found

    def _keep(self, link: Link, replies: list[Any]) -> None:
        for reply in replies:
            if isinstance(reply, Refused) and reply.text.startswith("READONLY"):
                link.close()  # The server was demoted.
                return
        if len(self._idle) >= _KEPT:
            link.close()
        else:
            self._idle.append(link)

    def _take(self, until: float) -> Link:
        if self._pid != os.getpid():
            self.after_fork()
        if self._free and not self._free.acquire(timeout=max(until - time.monotonic(), 0)):
            raise Down(
                f"all {self._limit} connections are in use", sent=False, advice="raise max_connections"
            )
        try:
            return self._idle_link() or self._connector.open(until)
        except BaseException:
            if self._free:
                self._free.release()
            raise

    def _idle_link(self) -> Link | None:
        while True:
            try:
                link = self._idle.pop()
            except IndexError:
                return None
            if not link.stale():
                return link
            link.close()
