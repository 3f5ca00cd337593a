"""Brings the tasks of a broadcast to one worker: heard once, they wait in a queue that is this worker's alone.

So they are lent, run, tried again and charged like all others, in whichever process of the worker is free. The queue
ends with the worker; what it did not begin by then is gone with it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from tq.contracts.broker import Broker, Cap
from tq.contracts.subscription import Subscription
from tq.errors import BrokerError, BrokerUnavailable
from tq.policy.backoff import reconnect_delays
from tq.records import Channel, Envelope, Heard, Message
from tq.worker.listening import LONGEST_PAUSE, ListeningThread
from tq.worker.setup import WorkerSetup

logger = logging.getLogger("tq.worker")

AT_ONCE: Final = 500
"""Messages that are taken from the broadcast, and put into the queue, together."""
TTL: Final = 3600.0
"""Seconds that the server may keep what a worker could not take yet."""
_PATIENCE: Final = 0.25
"""Of a lease, for one publish: one that is given up in doubt is doubled by the next, and heartbeats wait for it."""


class Relay:
    """Serves one worker and one broadcast. `queue` is the worker's own."""

    def __init__(self, broker: Broker, channel: Channel, queue: str, setup: WorkerSetup) -> None:
        self._broker = broker
        self._channel = channel
        self._queue = queue
        self._setup = setup
        self._thread = ListeningThread(
            f"the broadcast {channel.name}",
            "tq-broadcast",
            self._subscribe,
            self._bring,
            at_once=AT_ONCE,
            quiet=setup.quiet,
        )

    def start(self) -> None:
        """Hear what is sent from now on, unless the broker is away."""
        self._thread.start()
        logger.info("listening to the broadcast %s", self._channel.name)

    def close(self) -> None:
        """Hear no more."""
        self._thread.close()

    def remove(self) -> None:
        """Leave nothing behind; after the pool has ended. A broker that is gone keeps what there is."""
        if Cap.PURGE not in self._broker.capabilities:
            return
        try:
            lost = self._broker.purge(self._queue)
        except BrokerError as exc:
            logger.warning("queue %s of this worker's broadcasts is left as it is: %s", self._queue, exc)
            return
        if lost:
            logger.warning("%d tasks of broadcasts were not run: this worker has ended", lost)

    def _subscribe(self) -> Subscription:
        return self._broker.subscribe(self._channel, queue=f"{self._queue}.{self._channel.name}", ttl=TTL)

    def _bring(self, heard: Sequence[Heard]) -> None:
        envelopes = []
        for each in heard:
            message = each.message
            if isinstance(message, Message):
                envelopes.append(Envelope(message, self._queue, message.properties.get("priority") or None))
            else:
                self._thread.complain(
                    "bytes", "a broadcast of %s is no message: %s", self._channel.name, message.reason
                )
        self._put(envelopes)

    def _put(self, envelopes: Sequence[Envelope]) -> None:
        """Until it is done: who said it will not say it again."""
        delays = reconnect_delays(maximum=LONGEST_PAUSE)
        timeout = self._setup.stores.lease * _PATIENCE
        while envelopes and not self._thread.ended.is_set():
            try:
                with self._setup.quiet:
                    answers = self._broker.publish(envelopes, timeout=timeout)
            except BrokerUnavailable as exc:
                self._thread.complain("away", "%s", f"tasks of a broadcast wait in memory: {exc}")
                self._thread.ended.wait(next(delays))
            else:
                for error in filter(None, answers):
                    logger.error("a task of the broadcast %s is lost: %s", self._channel.name, error)
                return
