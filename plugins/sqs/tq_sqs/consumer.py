"""One reader of queues: a poller for each, and what they brought."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from queue import Empty, SimpleQueue

from tq.contracts.broker import Consumer
from tq.errors import BrokerError, TQError
from tq.records import Delivery, Settlement
from tq_sqs.holding import Holding
from tq_sqs.lent import Lent, read_answer
from tq_sqs.messages import PER_BATCH
from tq_sqs.poller import Poller
from tq_sqs.queues import Queue, Queues, is_missing, not_yet
from tq_sqs.server import SECONDS, Server
from tq_sqs.settling import Settling

logger = logging.getLogger("tq.sqs")

_MOST = 100
"""Messages that one `receive` collects, at most: ten requests."""
_GRACE = 0.5
"""Seconds that messages which came after `receive` had returned wait for the next one."""
_PATIENT = 2.5
"""Seconds from which on a `receive` begins a request that may outlast it, for the next one to take its answer."""
_PAUSE = 0.25
"""Seconds between two requests of a `receive` that has less than a second left."""
_LATE = 0.25
"""Seconds that a `receive` which may not wait gives a request that is under way."""


class SqsConsumer(Consumer):
    """See `tq.contracts.broker.Consumer`."""

    def __init__(
        self,
        consumer_id: str,
        queues: Sequence[Queue],
        known: Queues,
        holding: Holding,
        settling: Settling,
        *,
        wait: int,
    ) -> None:
        self.id = consumer_id
        self._known = known
        self._server: Server = known.server
        self._holding = holding
        self._settling = settling
        self._wait = wait
        self._lock = threading.Lock()
        self._buffers: dict[str, deque[Lent]] = {queue.name: deque() for queue in queues}
        """Lent already, not yet handed out."""
        self._error: Exception | None = None
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._asking = threading.Event()
        self._interrupted = False
        self._closed = False
        self._pollers = [Poller(queue, self._fetch, self._fetched) for queue in queues]

    def __repr__(self) -> str:
        return f"SqsConsumer({self.id!r}, {self._server.shown!r})"

    def receive(self, limit: int, wait: float) -> Sequence[Delivery]:
        limit = min(limit, _MOST)
        self._asking.set()
        try:
            found = self._gather(limit, time.monotonic() + wait)
        finally:
            self._asking.clear()
        # What arrived in the last moment: the poller saw that somebody asks, and does not give it back.
        found += self._take(limit - len(found))
        self._return_rest()
        return [lent.deliver() for lent in self._alone(found)]

    def settle(self, batch: Sequence[Settlement]) -> Sequence[bool]:
        return self._settling.settle(batch) if batch else ()

    def keep(self, running: Collection[int] = ()) -> None:
        self._holding.keep()

    def interrupt(self) -> None:
        self._interrupted = True
        self._wake.put(None)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for poller in self._pollers:
            poller.end()
        self._give_back(self._holding.all())

    # -- receiving -----------------------------------------------------------------------------------------

    def _gather(self, limit: int, until: float) -> list[Lent]:
        while not self._wake.empty():
            self._wake.get()
        found = self._take(limit)
        if not found and len(self._pollers) > 1 and not any(poller.busy for poller in self._pollers):
            found = self._sweep(limit, until)
        asked = False
        while not found:
            self._raise_error()
            now = time.monotonic()
            if self._interrupted or (asked and now >= until):
                self._interrupted = False
                return []
            if asked and until - now < 1.0:
                # SQS waits for whole seconds.
                self._sleep(min(_PAUSE, until - now))
            late = self._ask(limit, until - now)
            asked = True
            self._sleep(max(until - now, late))
            found = self._take(limit)
        return found

    def _ask(self, limit: int, left: float) -> float:
        """Let all pollers ask; how long their answers may take although nobody may wait."""
        late = 0.0
        for poller in self._pollers:
            if poller.busy:
                late = max(late, _LATE if poller.waits else SECONDS)
                continue
            patient = left >= _PATIENT
            poller.ask(limit, self._wait if patient else max(0, int(left)), waits=patient)
            late = max(late, 0.0 if patient else SECONDS)
        return late

    def _sweep(self, limit: int, until: float) -> list[Lent]:
        """Ask the queues one by one, in their order: who waits at all of them takes too much at busy times."""
        found: list[Lent] = []
        for poller in self._pollers:
            found += self._short(poller, limit - len(found))
            if len(found) >= limit or self._interrupted:
                break
        return found

    def _short(self, poller: Poller, limit: int) -> list[Lent]:
        if not poller.busy:
            poller.ask(limit, 0, waits=False)
        until = time.monotonic() + SECONDS
        while poller.busy and not self._interrupted and (left := until - time.monotonic()) > 0:
            self._sleep(left)
        return self._take(limit)

    def _sleep(self, seconds: float) -> None:
        try:
            self._wake.get(timeout=max(0.0, seconds))
        except Empty:
            return

    def _take(self, limit: int) -> list[Lent]:
        found: list[Lent] = []
        with self._lock:
            for buffer in self._buffers.values():
                while buffer and len(found) < limit:
                    lent = buffer.popleft()
                    if self._holding.get(lent.number) is not None:
                        found.append(lent)
        return found

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _alone(self, found: list[Lent]) -> list[Lent]:
        """What is marked comes alone: it is charged if it comes again, and nobody else is lost with it."""
        if not any(lent.alone for lent in found) or len(found) < 2:
            return found
        worst = max(found, key=lambda lent: (lent.alone, lent.attempt))
        self._give_back([lent for lent in found if lent is not worst])
        return [worst]

    # -- on the pollers' threads ---------------------------------------------------------------------------

    def _fetch(self, queue: Queue, limit: int, seconds: int) -> None:
        def more(count: int) -> None:
            self._hold(queue, self._request(queue, count, 0))

        try:
            first = self._request(queue, min(limit, PER_BATCH), seconds)
            self._hold(queue, first)
            if len(first) == PER_BATCH and not queue.fifo:
                self._server.each(more, _tens(limit - PER_BATCH), outer=True)
        except Exception as exc:  # noqa: BLE001 - `receive` raises it; without its thread a queue would be read no more
            self._error = self._again(queue) if is_missing(exc) else exc

    def _again(self, queue: Queue) -> TQError:
        """Somebody removed a queue that is read: make it anew, where queues are made."""
        self._known.forget(queue.name)
        try:
            return not_yet(self._known.ensure(queue.name), self._server.shown)
        except TQError as exc:
            return exc

    def _request(self, queue: Queue, limit: int, seconds: int) -> list[Lent]:
        # The answer may have been under way for long, and the time of what is in it runs since SQS gave it.
        latest = time.monotonic() + seconds
        visibility = self._holding.visibility
        answer = self._server.call(
            f"receive from queue {queue.name!r}",
            "receive_message",
            owner=queue.owner,
            seconds=seconds + SECONDS,
            QueueUrl=queue.url,
            MaxNumberOfMessages=limit,
            WaitTimeSeconds=seconds,
            VisibilityTimeout=visibility,
            AttributeNames=["ApproximateReceiveCount", "SentTimestamp", "MessageGroupId"],
            MessageAttributeNames=["All"],
        )
        return read_answer(queue, answer, visibility, latest)

    def _hold(self, queue: Queue, lents: list[Lent]) -> None:
        now = time.monotonic()
        lents = [lent for lent in lents if lent.until > now]  # Others are given to somebody else by now.
        self._holding.add(lents)
        due = [lent for lent in lents if not (lent.stray or lent.left > 0)]
        try:
            if lents and lents[0].until - now < self._holding.visibility / 2:
                self._holding.keep()
        finally:
            with self._lock:
                closed = self._closed
                if not closed:
                    self._buffers[queue.name].extend(due)
            if closed:
                self._give_back(due)
            self._copy(self._holding.delay, [lent for lent in lents if lent.left > 0])
            self._copy(self._holding.renew, [lent for lent in lents if lent.stray and not lent.left > 0])

    def _copy(self, copy: Callable[[list[Lent]], None], lents: list[Lent]) -> None:
        """What could not be copied is kept no longer, so that it comes again."""
        lents = [lent for lent in lents if self._holding.get(lent.number) is not None]
        try:
            copy(lents)
        except BrokerError:
            self._holding.forget(lents)
            raise

    def _fetched(self) -> None:
        self._wake.put(None)
        if not self._asking.wait(_GRACE):
            self._return_rest()

    # -- giving back ---------------------------------------------------------------------------------------

    def _return_rest(self) -> None:
        with self._lock:
            rest = [lent for buffer in self._buffers.values() for lent in buffer]
            for buffer in self._buffers.values():
                buffer.clear()
        self._give_back(rest)

    def _give_back(self, lents: Sequence[Lent]) -> None:
        try:
            self._holding.give_back(lents)
        except BrokerError as exc:
            # SQS itself gives them back when their time is over.
            self._holding.forget(lents)
            logger.warning("%d messages come back after %d s: %s", len(lents), self._holding.visibility, exc)


def _tens(count: int) -> list[int]:
    """A number in parts that one request can ask for."""
    return [min(PER_BATCH, count - at) for at in range(0, count, PER_BATCH)]
