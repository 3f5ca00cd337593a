"""One reader of queues: a connection for its requests, and others to wait on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tq.contracts.broker import Consumer
from tq.errors import LeaseLost, TQError
from tq.records import Delivery, Settlement
from tq_redis.keys import Layout, QueueKeys
from tq_redis.link import Down, Refused
from tq_redis.outgoing import Outbox
from tq_redis.server import Server
from tq_redis.settling import Document
from tq_redis.turns import Turns
from tq_redis.waiting import Bell, Waiting, Wake

_PAUSE = 0.2
"""Seconds between looks where the server refuses to let a consumer wait."""


class RedisConsumer(Consumer):
    """See `tq.contracts.broker.Consumer`. `leave` ends the life of a consumer."""

    def __init__(
        self,
        consumer_id: str,
        queues: Sequence[QueueKeys],
        layout: Layout,
        outbox: Outbox,
        server: Server,
        *,
        document: Callable[[], tuple[Document | None, int]],
        leave: Callable[[str], None],
        timeout: float,
    ) -> None:
        self.id = consumer_id
        self._server = server
        self._leave = leave
        self._turns = Turns(consumer_id, queues, layout, outbox, server.connector, document, timeout)
        self._bell = Bell()
        self._waiting = Waiting(queues, self._turns.open, self._bell)
        self._found: list[Delivery] = []
        """Lent already, not yet handed out."""
        self._armed = 0
        """Running number of the request that waits at the server."""
        self._closed = False

    def __repr__(self) -> str:
        return f"RedisConsumer({self.id!r}, {self._server.shown!r})"

    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        return self.turn((), limit, wait)[1]

    def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
        return self.turn(batch, 0, 0.0)[0]

    def turn(
        self, batch: Sequence[Settlement], limit: int, wait: float
    ) -> tuple[Sequence[bool], Sequence[Delivery]]:
        doing = f"receive from {', '.join(self._turns.numbers)}" if limit else "settle tasks"
        try:
            return self._turn(batch, limit, time.monotonic() + wait)
        except Down as exc:
            self._disconnect()
            raise self._server.fail(exc, doing) from exc
        except Refused as exc:
            self._found += self._turns.extra
            self._turns.extra = []
            raise self._server.fail(exc, doing) from exc
        except TQError:
            raise
        except BaseException:
            # A signal's exception may have come in the middle of an answer, and the next one would be taken for it.
            self._disconnect()
            raise

    def interrupt(self) -> None:
        self._bell.ring()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._disconnect()
            self._leave(self.id)
            self._bell.close()

    def _turn(
        self, batch: Sequence[Settlement], limit: int, until: float
    ) -> tuple[Sequence[bool], Sequence[Delivery]]:
        try:
            self._resync()
            if batch or (limit and not self._found):
                self._found += self._turns.send(batch, 0 if self._found else limit)
        except LeaseLost:
            self._found.clear()
            if not batch:
                raise
            return [False] * len(batch), ()
        if limit and not self._found:
            self._wait(limit, until)
        found, self._found = self._found[:limit], self._found[limit:]
        queues, bound = self._turns.numbers, self._turns.bound
        settled = [each.delivery.queue in queues and int(each.delivery.receipt) < bound for each in batch]
        return settled, found

    def _resync(self) -> None:
        self._found += self._turns.resync()
        self._waiting.disown()

    def _wait(self, limit: int, until: float) -> None:
        while not self._found and (now := time.monotonic()) < until:
            due = self._turns.due
            if due <= now:
                self._found += self._turns.send((), limit)
                continue
            self._arm(limit, min(until, due) - now)
            wake = self._waiting.wait(min(until, due))
            if wake is Wake.ANSWER:
                self._answer(limit)
            elif wake is not Wake.AGAIN:
                # Until it is taken back, a waiting request could lend messages to nobody.
                self._resync()
            if wake is Wake.RUNG:
                return
            if wake is Wake.LOOK and not self._found:
                self._found += self._turns.send((), limit)

    def _arm(self, limit: int, seconds: float) -> None:
        """Let requests wait at the server, all with one running number: the first that runs ends the others."""
        if not self._waiting.idle:
            return
        if not self._waiting.live:
            self._armed = self._turns.reserve(limit)
            self._waiting.request = self._turns.command(self._armed, limit)
        self._waiting.arm(seconds)

    def _answer(self, limit: int) -> None:
        answer = self._waiting.answer
        if isinstance(answer, Refused):
            # The same request over the other connection loads the script, or fails with a sentence.
            self._resync()
            self._found = self._found or self._turns.send((), limit)
            return
        self._found += self._turns.read(answer, self._armed, limit)
        if not self._found and self._waiting.troubled:
            self._waiting.pause(_PAUSE)

    def _disconnect(self) -> None:
        self._waiting.close()
        self._turns.close()
