"""A thread that asks one queue for messages, one request at a time.

A request that waits at SQS cannot be taken back: the messages of its answer are lent, whether somebody still wants
them or not. So it runs on a thread of its own, and `Consumer.receive` may return before it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from tq_sqs.queues import Queue

Fetch = Callable[[Queue, int, int], None]


class Poller:
    """Asks when told to. `fetch` makes the request, and never raises; `done` is called after it."""

    def __init__(self, queue: Queue, fetch: Fetch, done: Callable[[], None]) -> None:
        self.queue = queue
        self.busy = False
        """A request is under way."""
        self.waits = False
        """Its answer may come long after who asked has gone."""
        self._fetch = fetch
        self._done = done
        self._orders: SimpleQueue[tuple[int, int] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(self, limit: int, seconds: int, *, waits: bool) -> None:
        """Ask for up to `limit` messages, and let SQS wait for the first up to `seconds`."""
        self.busy, self.waits = True, waits
        self._orders.put((limit, seconds))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"tq-sqs-{self.queue.name}", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Ask no more; does not wait for a request that is under way."""
        self._orders.put(None)

    def _run(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                self._fetch(self.queue, *order)
            finally:
                self.busy = False
            self._done()
