"""Streams: queues that keep what was read, so that everybody reads all of it. RabbitMQ 3.9 and newer have them."""

from __future__ import annotations

import random
import time

from tq_amqp.protocol import methods as m
from tq_amqp.protocol.channel import Channel
from tq_amqp.protocol.failures import Refused
from tq_amqp.protocol.wire import Wire

INTERNAL_ERROR = 541
"""The server failed, and closed the connection: what RabbitMQ 3.10 does where two make one stream at the same moment."""
BEING_MADE = frozenset({INTERNAL_ERROR, 506})
"""What RabbitMQ 3.10 says to who writes into a stream that another one is making."""
_NOT_FOUND = 404
_PREFETCH = 500
_STARTING = "does not have a replica"
_PATIENCE = 3.0
_PAUSE = 0.1
_ANOTHER_TRY = 0.3


def let_others_finish() -> None:
    """Sleep for a moment that differs from theirs: where several make one stream or quorum queue at once, all may fail."""
    time.sleep(random.uniform(0.0, _ANOTHER_TRY))


def arguments_of(days: int, largest: int) -> dict[str, object]:
    """How to declare a stream that keeps its messages for some days, and at most so many bytes."""
    return {
        "x-queue-type": "stream",
        "x-max-age": f"{days}D",
        "x-max-length-bytes": largest,
        "x-stream-max-segment-size-bytes": 500_000,
    }


def read_stream(wire: Wire, name: str, arguments: dict[str, object], until: float) -> Channel:
    """A channel that gets all that lies in a stream, and all that will. What it delivers is to be acknowledged.

    Raises `Refused` where the server has no streams or the user no right to them, and `Down`.
    """
    give_up = min(until, time.monotonic() + _PATIENCE)
    while True:
        channel = wire.channel(until)
        try:
            channel.calls(
                [
                    m.queue_declare(name, passive=True),
                    m.qos(_PREFETCH),
                    m.consume(name, "reader", arguments={"x-stream-offset": "first"}),
                ],
                until,
            )
        except Refused as exc:
            if exc.code == _NOT_FOUND:
                wire.channel(until).call(m.queue_declare(name, arguments=arguments), until)
            # One that was made a moment ago is not there at once.
            elif _STARTING not in exc.text or time.monotonic() >= give_up:
                raise
        else:
            return channel
        time.sleep(_PAUSE)
