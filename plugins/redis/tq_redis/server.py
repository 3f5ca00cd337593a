"""Calls to one server, and the errors to raise when they fail."""

from __future__ import annotations

import time
from typing import Any

from tq.errors import BackendError, BackendUnavailable, BrokerError, BrokerUnavailable
from tq.options import mask_url
from tq_redis import faults
from tq_redis.address import read_address
from tq_redis.connect import Connector
from tq_redis.link import Down, Refused
from tq_redis.options import Options
from tq_redis.pool import Pool
from tq_redis.scripts import Script

Request = tuple[list[str], list[Any]]
"""Keys and arguments of a script."""


class Server:
    """The database that a URL names. What it sends may be sent twice without harm, unless said otherwise."""

    def __init__(self, url: str, options: Options, *, for_results: bool) -> None:
        self.address = read_address(url, options)
        self.shown = mask_url(url)
        self.connector = Connector(self.address, options)
        self.pool = Pool(self.connector, options.max_connections)
        self._timeout = options.socket_timeout
        self._for_results = for_results

    def run(self, script: Script, keys: list[str], args: list[Any], doing: str) -> Any:
        """Run a script; its reply. `doing` completes "cannot ..."."""
        try:
            return self.pool.run(script, keys, args, self.until(), again=True)
        except (Down, Refused) as exc:
            raise self.fail(exc, doing) from exc

    def run_each(self, script: Script, requests: list[Request], doing: str) -> list[Any]:
        """Run a script for each request, all in one round trip."""
        replies = self._send([script.command(*request) for request in requests], doing)
        found = []
        for request, reply in zip(requests, replies, strict=True):
            if script.unknown(reply):
                found.append(self.run(script, *request, doing))
            else:
                found.append(self._good(reply, doing))
        return found

    def call(self, commands: list[bytes], doing: str) -> list[Any]:
        """Send packed commands in one write; a reply for each."""
        return [self._good(reply, doing) for reply in self._send(commands, doing)]

    def hurry(self, lease: float) -> None:
        """From now on wait so briefly that a beat and its repetition fit into a lease of so many seconds."""
        self._timeout = min(self._timeout, max(lease / 3, 0.5))

    def until(self) -> float:
        """The moment at which a call that begins now must have ended."""
        return time.monotonic() + self._timeout

    def fail(self, error: Exception, doing: str) -> Exception:
        """The error to raise for a connection that is gone or an error reply."""
        if isinstance(error, Down):
            failed = self._error(faults.down(error, self.shown, doing), True)
            if isinstance(failed, BrokerUnavailable):
                failed.in_doubt = error.sent
            return failed
        if isinstance(error, Refused):
            return self._error(*faults.refused(error, self.shown, doing))
        return error

    def _send(self, commands: list[bytes], doing: str) -> list[Any]:
        if not commands:
            return []
        try:
            return self.pool.call(b"".join(commands), len(commands), self.until(), again=True)
        except (Down, Refused) as exc:
            raise self.fail(exc, doing) from exc

    def _good(self, reply: Any, doing: str) -> Any:
        if isinstance(reply, Refused):
            raise self.fail(reply, doing) from reply
        return reply

    def _error(self, sentence: str, temporary: bool) -> Exception:
        if self._for_results:
            return (BackendUnavailable if temporary else BackendError)(sentence, url=self.shown)
        return (BrokerUnavailable if temporary else BrokerError)(sentence, url=self.shown)
