"""Names: where what of a queue lies in the stream.

STREAM.ready.QUEUE        waits, or is lent
STREAM.later.QUEUE.ID     a schedule: the server puts it into `ready` when it is due
STREAM.dead.QUEUE.ID      dead letters
"""

from __future__ import annotations

import hashlib
import re

_LONGEST = 180
"""Characters of a name that are kept; JetStream takes 255 for a consumer."""
_ODD = re.compile(rb"[^A-Za-z0-9_-]")


def token(queue: str) -> str:
    """The queue's name as one word of a subject, and as the name of a consumer."""
    word = _ODD.sub(lambda found: b"=%02X" % ord(found[0]), queue.encode()).decode()
    if len(word) <= _LONGEST:
        return word
    return f"{word[:_LONGEST]}={hashlib.sha256(queue.encode()).hexdigest()[:32]}"


class Subjects:
    """The subjects of one queue; `*` as `number` stands for all."""

    def __init__(self, stream: str, queue: str) -> None:
        self.stream = stream
        self.durable = token(queue)
        self.ready = f"{stream}.ready.{self.durable}"

    def later(self, number: str) -> str:
        """Where one delayed message lies."""
        return f"{self.stream}.later.{self.durable}.{number}"

    def dead(self, number: str) -> str:
        """Where one dead letter lies."""
        return f"{self.stream}.dead.{self.durable}.{number}"
