"""Dead letters: messages in a queue of their own, each with a header that says why.

A queue cannot be looked into: its messages are taken out, read, and given back in their old places by closing the
channel. Meanwhile nobody else sees them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from typing import Any

from tq.records import DeadLetter
from tq_amqp import messages
from tq_amqp.outgoing import Office, Outgoing
from tq_amqp.outlet import Outlet
from tq_amqp.protocol import methods as m
from tq_amqp.protocol.channel import Channel
from tq_amqp.protocol.failures import Refused
from tq_amqp.protocol.incoming import Incoming

_NOT_FOUND = 404
_AT_ONCE = 500


class DeadLetters:
    """The dead letters of one queue at a time."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def newest(self, outlet: Outlet, queue: str, limit: int, until: float) -> list[DeadLetter]:
        """The newest, newest first."""
        last: deque[DeadLetter] = deque(maxlen=max(limit, 0))

        def look(_: Channel, letter: DeadLetter, __: int) -> None:
            last.append(letter)

        self._each(outlet, queue, look, until)
        last.reverse()
        return sorted(last, key=lambda letter: letter.died_at, reverse=True)

    def requeue(self, outlet: Outlet, queue: str, ids: Collection[str], until: float) -> int:
        """Put these back into their queue."""
        chosen: list[tuple[int, Outgoing]] = []
        refused: list[Exception] = []

        def choose(_: Channel, letter: DeadLetter, tag: int) -> None:
            if letter.id in ids:
                chosen.append((tag, self._office.revive(letter)))

        def send(channel: Channel) -> None:
            answers = outlet.publish([out for _, out in chosen], until)
            for (tag, _), error in zip(chosen, answers, strict=True):
                if error is None:
                    channel.send(m.ack(tag))
                else:
                    refused.append(error)

        self._each(outlet, queue, choose, until, send)
        # Not before: what stays in the dead letters is given back at the end.
        if refused:
            raise refused[0]
        return len(chosen)

    def drop(self, outlet: Outlet, queue: str, ids: Collection[str], until: float) -> int:
        """Remove these for good."""
        dropped = 0

        def choose(channel: Channel, letter: DeadLetter, tag: int) -> None:
            nonlocal dropped
            if letter.id in ids:
                channel.send(m.ack(tag))
                dropped += 1

        self._each(outlet, queue, choose, until)
        return dropped

    def _each(
        self,
        outlet: Outlet,
        queue: str,
        see: Callable[[Channel, DeadLetter, int], None],
        until: float,
        finish: Callable[[Channel], None] | None = None,
    ) -> None:
        name = self._office.dead_queue(queue)
        channel = outlet.wire.channel(until)
        try:
            _, left, _ = m.read_declared(channel.call(m.queue_declare(name, passive=True), until))
        except Refused as exc:
            if exc.code == _NOT_FOUND:
                return
            raise
        while left > 0:
            count = min(left, _AT_ONCE)
            left -= count
            for incoming in channel.get(name, count, until):
                see(channel, _letter(incoming, queue), incoming.tag)
        if finish is not None:
            finish(channel)
        channel.close(until)


def _letter(incoming: Incoming, queue: str) -> DeadLetter:
    message, added = messages.read(incoming, queue)
    why: dict[str, Any] = added.get(messages.DEAD) or {}
    return DeadLetter(
        str(why.get("id") or incoming.tag),
        str(why.get("queue") or queue),
        str(why.get("reason") or ""),
        float(why.get("died_at") or 0.0),
        message,
        int(why.get("attempt") or 0),
    )
