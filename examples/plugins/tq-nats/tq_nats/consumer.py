"""One reader of queues.

It asks by pull requests, whose answers arrive at an inbox of its own: messages, and a status where there are no more.
A request that does not wait is answered at once; one that waits is left with the server, and what it brings when
nobody receives any more is given back.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from queue import Empty, SimpleQueue

from nats.aio.client import Client
from nats.aio.msg import Msg
from tq.contracts import Consumer
from tq.errors import BrokerError, BrokerUnavailable
from tq.records import Action, Delivery, Envelope, Settlement
from tq.wire.envelope import unpack

from tq_nats.held import Held, Lent
from tq_nats.letters import Letters
from tq_nats.link import Link
from tq_nats.stream import NANO
from tq_nats.subjects import Subjects

logger = logging.getLogger("tq.nats")

GIVE_BACK = b"-NAK"
DONE = b"+ACK"
_LONGEST_PULL = 5.0
_ANSWER = 5.0
Publish = Callable[[Sequence[Envelope]], Sequence[Exception | None]]


class NatsConsumer(Consumer):
    """See `tq.contracts.Consumer`."""

    def __init__(
        self,
        consumer_id: str,
        queues: Sequence[str],
        stream: str,
        lease: float,
        link: Link,
        letters: Letters,
        publish: Publish,
    ) -> None:
        self.id = consumer_id
        self._lanes = {queue: Subjects(stream, queue) for queue in queues}
        self._queue_of = {lane.ready: queue for queue, lane in self._lanes.items()}
        self._link = link
        self._letters = letters
        self._publish = publish
        self._held = Held(lease)
        self._lock = threading.Lock()
        self._arrived: SimpleQueue[Lent | str | None] = SimpleQueue()
        """Messages, the numbers of requests that are over, and None to wake up."""
        self._receiving = False
        self._interrupted = False
        self._closed = False
        self._client: Client | None = None
        self._inbox = ""
        self._count = 0
        self._waiting: dict[str, float] = {}
        """Queue → until when a request of ours waits there."""

    def __repr__(self) -> str:
        return f"NatsConsumer({self.id!r}, {self._link.shown!r})"

    # -- receiving -----------------------------------------------------------------------------------------

    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        until = time.monotonic() + wait
        with self._lock:
            self._receiving = True
        found: list[Lent] = []
        try:
            self._sweep(found, limit)
            while not found and not self._interrupted and (left := until - time.monotonic()) > 0:
                self._wait(found, min(left, _LONGEST_PULL))
                if found:
                    self._sweep(found, limit)
        finally:
            self._stop_receiving(found, limit)
        if not found:
            self._interrupted = False
        return [
            Delivery(unpack(each.raw), each.queue, each.receipt, 0, len(each.raw)) for each in found[:limit]
        ]

    def _sweep(self, found: list[Lent], limit: int) -> None:
        """Take what is there, queue by queue."""
        for queue in self._lanes:
            if len(found) >= limit:
                return
            number = self._pull(queue, batch=limit - len(found), no_wait=True)
            until = time.monotonic() + _ANSWER
            while len(found) < limit:
                try:
                    item = self._arrived.get(timeout=max(0.0, until - time.monotonic()))
                except Empty:
                    if found:
                        return
                    raise BrokerUnavailable(
                        f"NATS at {self._link.shown} does not say what is in queue {queue!r}",
                        url=self._link.shown,
                    ) from None
                if isinstance(item, Lent):
                    found.append(item)
                elif item == number:
                    break

    def _wait(self, found: list[Lent], seconds: float) -> None:
        """Wait for one message of any queue, or for an interrupt."""
        now = time.monotonic()
        for queue in self._lanes:
            if self._waiting.get(queue, 0.0) < now + seconds / 2:
                self._pull(queue, batch=1, expires=round(seconds * NANO))
                self._waiting[queue] = now + seconds
        while not found and not self._interrupted and (left := now + seconds - time.monotonic()) > 0:
            try:
                item = self._arrived.get(timeout=left)
            except Empty:
                return
            if isinstance(item, Lent):
                found.append(item)
                self._waiting.pop(item.queue, None)

    def _pull(self, queue: str, **request: object) -> str:
        self._count += 1
        number = str(self._count)
        self._link.run(
            f"receive from queue {queue!r}",
            partial(self._ask, self._lanes[queue], number, json.dumps(request).encode()),
        )
        return number

    async def _ask(self, lane: Subjects, number: str, request: bytes, client: Client) -> None:
        if client is not self._client:
            # Nothing is left of an old connection's requests; what it brought stays ours.
            self._inbox = client.new_inbox()
            self._waiting.clear()
            await client.subscribe(
                f"{self._inbox}.*", cb=self._arrive, pending_msgs_limit=-1, pending_bytes_limit=-1
            )
            self._client = client
        target = f"$JS.API.CONSUMER.MSG.NEXT.{lane.stream}.{lane.durable}"
        await client.publish(target, request, reply=f"{self._inbox}.{number}")

    async def _arrive(self, message: Msg) -> None:
        queue = self._queue_of.get(message.subject)
        if queue is None:
            # A status: "404 No Messages", or a waiting request that is over.
            self._arrived.put(message.subject.rpartition(".")[2])
            return
        lent = Lent(message.reply, queue, message.data)
        with self._lock:
            wanted = self._receiving
            if wanted:
                self._held.add(lent)
                self._arrived.put(lent)
        if not wanted:
            self._link.soon(partial(_answer, {lent.receipt: GIVE_BACK}))

    def _stop_receiving(self, found: list[Lent], limit: int) -> None:
        """What came beyond the limit, or after it was enough, goes back."""
        with self._lock:
            self._receiving = False
            rest = found[limit:]
            while not self._arrived.empty():
                item = self._arrived.get()
                if isinstance(item, Lent):
                    rest.append(item)
        if rest:
            self._give_back(rest)

    # -- settling ------------------------------------------------------------------------------------------

    def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
        mine = [(each, lent) for each in batch if (lent := self._held.get(each.delivery.receipt))]
        if mine:
            hopeless = self._follow_up([each for each, _ in mine])
            answers: dict[str, bytes] = {}
            graves: list[tuple[Lent, str]] = []
            for each, lent in mine:
                reason = hopeless.get(lent.receipt) or (each.reason if each.action is Action.DEAD else None)
                if reason is not None:
                    graves.append((lent, reason))
                answers[lent.receipt] = _give_back_after(each.delay) if _goes_back(each, reason) else DONE
            self._link.run("settle", partial(self._settle, graves, answers))
            self._held.settled(answers)
        return [self._held.was_settled(each.delivery.receipt) for each in batch]

    def _follow_up(self, batch: Sequence[Settlement]) -> dict[str, str]:
        """Publish what follows. Of what cannot follow: receipt → why."""
        pairs = [(str(each.delivery.receipt), envelope) for each in batch for envelope in each.publish]
        if not pairs:
            return {}
        answers = self._publish([envelope for _, envelope in pairs])
        for answer in answers:
            if isinstance(answer, BrokerUnavailable):
                raise answer
        failed = zip(pairs, answers, strict=True)
        return {
            receipt: f"what follows it was refused: {answer}" for (receipt, _), answer in failed if answer
        }

    async def _settle(
        self, graves: Sequence[tuple[Lent, str]], answers: dict[str, bytes], client: Client
    ) -> None:
        for lent, reason in graves:
            await self._letters.bury(client, lent.queue, lent.raw, reason)
        await _answer(answers, client)

    def keep(self, running: Collection[int] = ()) -> None:
        self._link.run("extend the lease", self._held.keep)

    # -- ending --------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        self._interrupted = True
        self._arrived.put(None)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._give_back(self._held.all())

    def _give_back(self, lent: Sequence[Lent]) -> None:
        try:
            self._link.run("give back", partial(_answer, {each.receipt: GIVE_BACK for each in lent}))
        except BrokerError as exc:
            # The server does it by itself when their lease is over.
            logger.warning("%d messages come back when their lease is over: %s", len(lent), exc)
        self._held.settled(each.receipt for each in lent)


def _goes_back(settlement: Settlement, reason: str | None) -> bool:
    return reason is None and settlement.action is Action.REQUEUE


def _give_back_after(delay: float) -> bytes:
    return GIVE_BACK if delay <= 0 else GIVE_BACK + b' {"delay": %d}' % round(delay * NANO)


async def _answer(answers: dict[str, bytes], client: Client) -> None:
    """Send these, and wait until the server has done them all. It takes those of one queue in their order, so the
    answer to the last one of each stands for all."""
    last = {receipt.split(".")[3]: receipt for receipt in answers}
    for receipt, payload in answers.items():
        if receipt not in last.values():
            await client.publish(receipt, payload)
    for receipt in last.values():
        await client.request(receipt, answers[receipt], timeout=_ANSWER)
