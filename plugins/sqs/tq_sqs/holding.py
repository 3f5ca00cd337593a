"""What a consumer holds, and the requests that end or lengthen its time.

All requests take turns: to lengthen the time of a message that was just given back would hide it from everybody.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tq.errors import BrokerError
from tq_sqs.faults import STALE, Fault, error_of
from tq_sqs.lent import LONGEST, Lent
from tq_sqs.messages import LONGEST_DELAY, PER_BATCH
from tq_sqs.sending import Sender
from tq_sqs.server import SECONDS, Server

logger = logging.getLogger("tq.sqs")

_MARGIN = 5.0
_ANSWERS = 8.0
"""How many answers must fit into the time of a message: it comes, is kept, and is settled, each of them after others."""


class Holding:
    """The messages of one consumer. Thread-safe. `lease`: whole seconds."""

    def __init__(self, server: Server, sender: Sender, lease: int) -> None:
        self._server = server
        self._sender = sender
        self._lease = lease
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._lent: dict[int, Lent] = {}
        self._lost: set[int] = set()
        self._next = 0

    @property
    def visibility(self) -> int:
        """Seconds that a message is lent for: the lease, or more where SQS answers so slowly that it would be over
        before the messages are here, or before they are kept."""
        return max(self._lease, math.ceil(self._server.pace * _ANSWERS))

    # -- who holds what --------------------------------------------------------------------------------------

    def add(self, lents: Iterable[Lent]) -> None:
        """These came from SQS."""
        with self._lock:
            for lent in lents:
                lent.number = self._next
                self._next += 1
                self._lent[lent.number] = lent

    def get(self, number: int) -> Lent | None:
        """What is held under this receipt, if its time is not over."""
        with self._lock:
            lent = self._lent.get(number)
            if lent is not None and time.monotonic() > lent.until:
                del self._lent[number]
                self._lost.add(number)
                return None
        return lent

    def forget(self, lents: Iterable[Lent]) -> None:
        """Keep these no longer, so that SQS hands them out again; but not those whose copy was sent, which must go."""
        with self._lock:
            for lent in lents:
                if not lent.moved and self._lent.pop(lent.number, None) is not None:
                    self._lost.add(lent.number)

    def settled(self, number: int) -> bool:
        """Whether it was held once, and was not lost: it is settled."""
        return 0 <= number < self._next and number not in self._lost

    def all(self) -> list[Lent]:
        """All that is held, oldest first."""
        with self._lock:
            return list(self._lent.values())

    # -- the ends of a loan ------------------------------------------------------------------------------------

    def remove(self, lents: Sequence[Lent]) -> None:
        """Delete these from their queues. Raises `BrokerUnavailable`; what is gone already is forgotten."""
        with self._turn:
            self._request("delete_message_batch", "settle tasks", lents, lambda lent: {}, self._drop)

    def give_back(self, lents: Sequence[Lent], delay: float = 0.0) -> None:
        """Let others have these, after `delay` seconds, uncharged. What is held no more is passed over."""
        with self._lock:
            lents = [lent for lent in lents if lent.number in self._lent and not lent.leaving]
            for lent in lents:
                lent.leaving = True
        try:
            self._give_back(lents, delay)
        finally:
            for lent in lents:
                lent.leaving = False

    def _give_back(self, lents: Sequence[Lent], delay: float) -> None:
        keeps = [
            lent
            for lent in lents
            if lent.queue.fifo or (lent.receives == 1 and not lent.alone and delay <= LONGEST_DELAY)
        ]
        self.hide(keeps, delay)
        kept = {lent.number for lent in keeps}
        self.copy([lent for lent in lents if lent.number not in kept], delay)

    def hide(self, lents: Sequence[Lent], delay: float) -> None:
        """SQS hands these out again after `delay` seconds."""
        seconds = min(math.ceil(delay), int(LONGEST) - 60)
        with self._turn:
            self._request(
                "change_message_visibility_batch",
                "give tasks back",
                lents,
                lambda lent: {"VisibilityTimeout": seconds},
                self._drop,
            )

    def copy(self, lents: Sequence[Lent], delay: float | None = None) -> None:
        """Put new messages with the same content into the queues, then delete these. `delay` None: each its own.

        A crash between the two leaves a message twice, never none.
        """
        for queue in dict.fromkeys(lent.queue for lent in lents):
            same = [lent for lent in lents if lent.queue == queue]
            new = [lent for lent in same if not lent.moved]
            parcels = [lent.copy(lent.left if delay is None else delay) for lent in new]
            answers = self._sender.send(queue, parcels, time.monotonic() + SECONDS)
            for lent, answer in zip(new, answers, strict=True):
                lent.moved = answer is None
            self.remove([lent for lent in same if lent.moved])
            for answer in answers:
                if answer is not None:
                    raise answer

    def delay(self, lents: Sequence[Lent]) -> None:
        """These are not due yet: SQS keeps no delay for as long as theirs, so they take another round."""
        for lent in (each for each in lents if each.queue.fifo):
            self.hide([lent], lent.left)
        self.copy([lent for lent in lents if not lent.queue.fifo])

    def renew(self, lents: Sequence[Lent]) -> None:
        """These came again, nobody knows why: each becomes a copy that says what is known."""
        for lent in lents:
            lent.charge()
        self.copy(lents, 0.0)

    def keep(self) -> None:
        """Lengthen the time of all that was not lengthened for a third of it."""
        now, visibility = time.monotonic(), self.visibility
        # What SQS lends no longer, others may have: to end its time again would take it from them.
        due = [
            lent
            for lent in self.all()
            if lent.until - now < visibility * 0.7 and _longest(lent, now, visibility) > 0
        ]
        with self._turn:
            # Some of it may have been settled while others had their turn.
            held = {lent.number for lent in self.all()}
            due = [lent for lent in due if lent.number in held]
            self._request(
                "change_message_visibility_batch",
                "keep tasks",
                due,
                lambda lent: {"VisibilityTimeout": _longest(lent, now, visibility)},
                lambda lent: _lengthen(lent, now, visibility),
            )
        # Their copies were sent, and then SQS was away.
        self.remove([lent for lent in self.all() if lent.moved and not lent.leaving])

    # -- parts ---------------------------------------------------------------------------------------------

    def _drop(self, lent: Lent) -> None:
        with self._lock:
            self._lent.pop(lent.number, None)

    def _lose(self, lent: Lent) -> None:
        with self._lock:
            if self._lent.pop(lent.number, None) is not None:
                self._lost.add(lent.number)

    def _request(
        self,
        operation: str,
        doing: str,
        lents: Sequence[Lent],
        more: Callable[[Lent], dict[str, Any]],
        done: Callable[[Lent], None],
    ) -> None:
        """Ask for one thing for each message, ten at a time; the first that failed for now is raised at the end."""

        def ask(part: Sequence[Lent]) -> BrokerError | None:
            queue = part[0].queue
            entries = [
                {"Id": str(number), "ReceiptHandle": lent.handle, **more(lent)}
                for number, lent in enumerate(part)
            ]
            answer = self._server.call(
                doing, operation, owner=queue.owner, QueueUrl=queue.url, Entries=entries
            )
            failed = {int(each["Id"]): each for each in answer.get("Failed", ())}
            trouble: BrokerError | None = None
            for number, lent in enumerate(part):
                if number not in failed:
                    done(lent)
                else:
                    trouble = self._failed(failed[number], lent, doing) or trouble
            return trouble

        for trouble in self._server.each(ask, _parts(lents)):
            if trouble is not None:
                raise trouble

    def _failed(self, failed: dict[str, Any], lent: Lent, doing: str) -> BrokerError | None:
        code = str(failed.get("Code", "?")).rpartition(".")[2]
        if code in STALE:
            self._lose(lent)
            return None
        fault = Fault(code, str(failed.get("Message", "")), 400 if failed.get("SenderFault", True) else 503)
        return error_of(fault, doing, self._server.shown)


def _longest(lent: Lent, now: float, visibility: int) -> int:
    return max(0, min(visibility, int(lent.received + LONGEST - _MARGIN - now)))


def _lengthen(lent: Lent, now: float, visibility: int) -> None:
    seconds = _longest(lent, now, visibility)
    if seconds < visibility:
        logger.error(
            "SQS lends no message for more than 12 hours: one of queue %r will be handed to others while it runs",
            lent.queue.name,
        )
    lent.until = now + seconds


def _parts(lents: Sequence[Lent]) -> list[Sequence[Lent]]:
    """At most ten of one queue each."""
    parts: list[Sequence[Lent]] = []
    for queue in dict.fromkeys(lent.queue for lent in lents):
        same = [lent for lent in lents if lent.queue == queue]
        parts += [same[at : at + PER_BATCH] for at in range(0, len(same), PER_BATCH)]
    return parts
