"""Delays without any plugin of the server: 28 queues with fixed times, and the bits of the delay as a way through them.

Level n holds a message for 2^n seconds. A delay of 5 s is the key `0.(...).1.0.1.QUEUE`: at each level the exchange
looks at its own bit, and leads a 1 into the level's queue, from which it falls to the next level after its time, and
a 0 straight to the next level. No queue holds messages of different delays, so none waits behind another.
What is left of a second comes first: in a queue where each message has its own time, below one second.
Names and arguments are those of Celery's native delayed delivery. Source: kombu 5.7, `native_delayed_delivery`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tq_amqp.options import BrokerOptions
from tq_amqp.protocol import methods as m
from tq_amqp.topology import Declarer

BITS = 28
LONGEST = float(2**BITS - 1)
"""Seconds."""


class Ladder:
    """The delay queues of one virtual host."""

    def __init__(self, options: BrokerOptions) -> None:
        prefix = f"{options.queue_delay_prefix}_" if options.queue_delay_prefix else ""
        self._levels = [f"{prefix}celery_delayed_{level}" for level in range(BITS)]
        self._delivery = f"{prefix}celery_delayed_delivery"
        self._fraction = f"{prefix}tq_delayed_fraction"
        self._type = options.delay_queue_type

    def enter(self, delay: float, queue: str) -> tuple[str, str, str | None]:
        """Exchange, routing key and `expiration` of a message that shall reach `queue` after `delay` seconds."""
        millis = max(1, round(min(delay, LONGEST) * 1000))
        seconds, rest = divmod(millis, 1000)
        if seconds and not rest:
            return self._levels[-1], f"{_bits(seconds)}.{queue}", None
        return self._fraction, f"{_bits(seconds)}.{queue}", str(rest or 1)

    def declare(self, declarer: Declarer, queue: str, until: float) -> None:
        """Make sure that the ladder is there, and leads to `queue`."""
        declarer.once("ladder", self._steps(), until)
        declarer.queue(queue, until)
        exact = "*." * BITS + queue
        declarer.once(f"ladder to {queue}", [m.queue_bind(queue, self._delivery, exact)], until)

    def _steps(self) -> Iterator[bytes]:
        for level in range(BITS - 1, -1, -1):
            name = self._levels[level]
            below = self._levels[level - 1] if level else self._delivery
            yield m.exchange_declare(name, "topic")
            yield m.queue_declare(name, arguments=self._arguments(level, below))
            yield m.queue_bind(name, name, _at(level, "1"))
        yield m.exchange_declare(self._delivery, "topic")
        for level in range(BITS - 1, -1, -1):
            below = self._levels[level - 1] if level else self._delivery
            yield m.exchange_bind(below, self._levels[level], _at(level, "0"))
        yield m.exchange_declare(self._fraction, "fanout")
        yield m.queue_declare(self._fraction, arguments={"x-dead-letter-exchange": self._levels[-1]})
        yield m.queue_bind(self._fraction, self._fraction, "")

    def _arguments(self, level: int, below: str) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "x-queue-type": self._type,
            "x-overflow": "reject-publish",
            "x-message-ttl": 2**level * 1000,
            "x-dead-letter-exchange": below,
        }
        if self._type == "quorum":
            arguments["x-dead-letter-strategy"] = "at-least-once"
        return arguments


def _bits(seconds: int) -> str:
    return ".".join(f"{seconds:0{BITS}b}")


def _at(level: int, bit: str) -> str:
    """The binding of a level: its own bit, whatever is before and behind."""
    return "*." * (BITS - 1 - level) + bit + ".#"
