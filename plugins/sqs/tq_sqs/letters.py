"""Dead letters: messages in another queue of SQS, with the reason in a message attribute."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from tq.errors import BrokerError, PublishError
from tq.records import DeadLetter, Undecodable
from tq.wire.ids import new_id
from tq_sqs import messages, scan
from tq_sqs.lent import Lent
from tq_sqs.messages import ATTEMPT, DELAY, QUEUE, REASON, Parcel, group_of
from tq_sqs.queues import Queue, Queues
from tq_sqs.scan import Message
from tq_sqs.sending import Sender
from tq_sqs.server import SECONDS

logger = logging.getLogger("tq.sqs")

_LONGEST_REASON = 2000
_OWN = frozenset({ATTEMPT, DELAY, QUEUE, REASON})


class Letters:
    """The dead letters of the queues of one SQS."""

    def __init__(self, queues: Queues, sender: Sender) -> None:
        self._queues = queues
        self._server = queues.server
        self._sender = sender

    def bury(self, queue: Queue, held: Sequence[tuple[Lent, str]]) -> None:
        """Copy these to the dead letters; who calls it deletes them then. Raises `BrokerError`."""
        held = [(lent, reason) for lent, reason in held if not lent.moved]
        if self._server.options.dead_letters == "drop":
            for _, reason in held:
                logger.error(
                    "a message of queue %r is dropped, as dead_letters = 'drop' says: %s", queue.name, reason
                )
            return
        grave = self._queues.grave(queue, make=True)
        if grave is None:
            raise self.no_grave(queue)
        answers = self._sender.send(
            grave, [_letter(lent, reason) for lent, reason in held], time.monotonic() + SECONDS
        )
        for (lent, _), answer in zip(held, answers, strict=True):
            lent.moved = answer is None
        for answer in answers:
            if isinstance(answer, PublishError):
                # Not what the task left is refused, but what has no other place to go: who settles has to wait.
                raise BrokerError(f"a dead letter is refused: {answer}", url=answer.url) from answer
            if answer is not None:
                raise answer

    def no_grave(self, queue: Queue) -> BrokerError:
        """The error for a queue whose dead letters have no place."""
        return BrokerError(
            f"queue {queue.name!r} of predefined_queues at {self._server.shown} has no place for dead letters: give it "
            "a redrive policy, or name 'dead_letter_queue' in its entry, or set the option dead_letters = \"drop\"",
            url=self._server.shown,
        )

    def count(self, queue: Queue) -> int:
        """About how many there are; with a queue that several share, of all of them."""
        grave = self._queues.grave(queue)
        return scan.counts(self._server, grave).get(scan.READY, 0) if grave else 0

    def read(self, name: str, limit: int) -> list[DeadLetter]:
        """The newest, newest first. Reads all of them, for SQS cannot sort."""
        own: list[Message] = []
        for grave, borrowed in self._borrow(name):
            scan.give_back(self._server, grave, borrowed)
            own += borrowed
        newest = sorted(enumerate(own), key=lambda each: (_sent(each[1]), each[0]), reverse=True)
        return [_read(message, name) for _, message in newest[:limit]]

    def requeue(self, name: str, ids: Sequence[str]) -> int:
        """Put these back into their queue, as new ones."""
        done = 0
        for grave, chosen in self._choose(name, ids):
            queue = self._queues.ensure(name)
            parcels = [_revived(message) for message in chosen]
            answers = self._sender.send(queue, parcels, time.monotonic() + SECONDS)
            refused = [message for message, answer in zip(chosen, answers, strict=True) if answer is not None]
            done += scan.delete(
                self._server, grave, [message for message in chosen if message not in refused]
            )
            scan.give_back(self._server, grave, refused)
            for answer in answers:
                if answer is not None:
                    raise answer
        return done

    def drop(self, name: str, ids: Sequence[str]) -> int:
        """Remove these."""
        return sum(scan.delete(self._server, grave, chosen) for grave, chosen in self._choose(name, ids))

    def _choose(self, name: str, ids: Sequence[str]) -> list[tuple[Queue, list[Message]]]:
        """Borrow those with these ids."""
        wanted, found = frozenset(ids), []
        for grave, borrowed in self._borrow(name) if wanted else ():
            chosen = [each for each in borrowed if each["MessageId"] in wanted]
            scan.give_back(self._server, grave, [each for each in borrowed if each not in chosen])
            found.append((grave, chosen))
        return found

    def _borrow(self, name: str) -> list[tuple[Queue, list[Message]]]:
        """The queue of the dead letters, and those of this queue; nothing where there are none."""
        queue = self._queues.find(name)
        grave = self._queues.grave(queue) if queue is not None else None
        if queue is None or grave is None:
            return []
        borrowed = [message for part in scan.borrow(self._server, grave) for message in part]
        own = [message for message in borrowed if _belongs(message, queue)]
        scan.give_back(self._server, grave, [message for message in borrowed if message not in own])
        return [(grave, own)]


def _letter(lent: Lent, reason: str) -> Parcel:
    others = {name: value for name, value in lent.attributes.items() if name not in _OWN}
    own = {QUEUE: messages.text_attribute(lent.queue.name)}
    if lent.attempt:
        own[ATTEMPT] = messages.number_attribute(lent.attempt)
    if reason:
        own[REASON] = messages.text_attribute(reason[:_LONGEST_REASON])
    # A group of its own: SQS lends no second message of a FIFO group, and so could not list them.
    group = new_id() if lent.queue.fifo else ""
    return Parcel(lent.body, messages.fitting(lent.body, own, others), group=group)


def _revived(message: Message) -> Parcel:
    attributes = {k: v for k, v in messages.attributes_of(message).items() if k not in _OWN}
    task = messages.read(message["Body"])[0]
    return Parcel(message["Body"], attributes, group="" if isinstance(task, Undecodable) else group_of(task))


def _read(message: Message, name: str) -> DeadLetter:
    texts = messages.attributes_of(message)
    received = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 0))
    # Whatever tq buries is marked, if the mark fits.
    moved = QUEUE not in texts
    reason = str(texts.get(REASON, {}).get("StringValue", "")) or _unsaid(message["Body"], moved)
    return DeadLetter(
        message["MessageId"],
        name,
        reason,
        _sent(message) / 1000,
        messages.read(message["Body"])[0],
        int(messages.number_in(message, ATTEMPT, received if moved else 0)),
    )


def _unsaid(body: str, moved: bool) -> str:
    if len(body) > messages.LARGEST - _LONGEST_REASON:
        return "it is so long that SQS takes no reason beside it"
    return "SQS moved it, as the redrive policy of the queue says: it was received too often" if moved else ""


def _sent(message: Message) -> int:
    return int(message.get("Attributes", {}).get("SentTimestamp", 0))


def _belongs(message: Message, queue: Queue) -> bool:
    """Several queues may share one for their dead letters."""
    own = messages.attributes_of(message).get(QUEUE, {}).get("StringValue")
    if own is not None:
        return bool(own == queue.name)
    source = str(message.get("Attributes", {}).get("DeadLetterQueueSourceArn", ""))
    return not source or source.rpartition(":")[2] == queue.url.rpartition("/")[2]
