"""What a consumer holds: one message with its receipt handle and its time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from tq.records import Delivery
from tq_sqs import messages
from tq_sqs.messages import ATTEMPT, DELAY, Attributes, Parcel
from tq_sqs.queues import Queue

LONGEST = 43200.0
"""Seconds that SQS lends a message, at most, however often its time is extended."""


class Token(msgspec.Struct, frozen=True, array_like=True):
    """What SQS has to be told of a message."""

    handle: str
    attributes: Attributes
    group: str


read_token = msgspec.msgpack.Decoder(Token).decode
encode_token = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class Lent:
    """One message that SQS lent. Moments are of `time.monotonic`."""

    queue: Queue
    handle: str
    body: str
    attributes: Attributes
    group: str
    receives: int
    received: float
    until: float
    """When SQS hands it to others, unless told otherwise."""
    attempts: int = 1
    """Charged, as its attribute says, plus one."""
    alone: bool = False
    """It is marked: who gets it runs it alone and at once, or copies it."""
    left: float = 0.0
    """Seconds of its delay that SQS could not keep itself."""
    number: int = -1
    published: bool = False
    """What follows it was sent already."""
    moved: bool = False
    """Its copy, or its dead letter, was sent already."""
    leaving: bool = False
    """Somebody is giving it back."""
    delivery: Delivery | None = field(default=None, repr=False)

    @property
    def attempt(self) -> int:
        """Runs whose holder died, plus one; 0 where that cannot be told, for in a FIFO queue a copy would lose its place."""
        return 0 if self.queue.fifo else self.attempts

    @property
    def stray(self) -> bool:
        """SQS handed it out before, and that may have been a death.

        SQS counts how often it handed a message out, and that is no count of deaths: it may have been given back, or
        the answer may have been late, or it lay beside a killer. So nothing is charged by the count alone. What comes
        again unaccounted for is copied, with a mark; only if a marked one comes again, which was handed out alone,
        one attempt is charged, however often SQS handed it out meanwhile. One round of giving back leaves no copy.
        """
        return not self.queue.fifo and self.receives > (1 if self.alone else 2)

    def charge(self) -> None:
        """What is unaccounted for is written down: an attempt for what was alone, a mark for what was not."""
        self.attempts += self.alone
        self.alone = True

    def deliver(self) -> Delivery:
        """The delivery, made once."""
        if self.delivery is None:
            message, size = messages.read(self.body)
            self.delivery = Delivery(message, self.queue.name, self.number, self.attempt, size, self.token())
        return self.delivery

    def token(self) -> bytes:
        """What another process needs to end the run of this message."""
        return encode_token(Token(self.handle, self.attributes, self.group))

    def copy(self, delay: float = 0.0) -> Parcel:
        """The same message as a new one, which comes after `delay` seconds."""
        others = {name: value for name, value in self.attributes.items() if name not in (ATTEMPT, DELAY)}
        marked = self.alone and not self.queue.fifo
        own = {ATTEMPT: messages.number_attribute(self.attempts)} if marked else {}
        return Parcel(self.body, messages.fitting(self.body, own, others), delay, self.group)


def read_answer(queue: Queue, answer: dict[str, Any], visibility: float, latest: float) -> list[Lent]:
    """What a ReceiveMessage answered, which SQS must have written before `latest`."""
    now = min(time.monotonic(), latest)
    clock = _clock(answer)
    return [_lent(queue, message, now, clock, visibility) for message in answer.get("Messages", ())]


def _lent(queue: Queue, message: dict[str, Any], now: float, clock: float, visibility: float) -> Lent:
    system = message.get("Attributes", {})
    sent = float(system.get("SentTimestamp", clock * 1000)) / 1000
    delay = messages.number_in(message, DELAY, 0.0)
    attempts = messages.number_in(message, ATTEMPT, 0.0)
    return Lent(
        queue,
        message["ReceiptHandle"],
        message["Body"],
        messages.attributes_of(message),
        str(system.get("MessageGroupId", "")),
        int(system.get("ApproximateReceiveCount", 1)),
        now,
        now + visibility,
        attempts=max(1, int(attempts)),
        alone=attempts >= 1,
        left=max(0.0, sent + delay - clock) if delay else 0.0,
    )


def _clock(answer: dict[str, Any]) -> float:
    """SQS's clock: seconds since 1970, whole."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date).timestamp() if date else time.time()
