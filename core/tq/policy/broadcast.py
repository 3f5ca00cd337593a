"""Queues that are broadcasts: what is sent to one is announced, to all workers that read it at that moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tq.contracts.broker import Broker, Cap
from tq.errors import BrokerError, ImproperlyConfigured, InvalidTask
from tq.options import mask_url
from tq.records import Channel, Envelope, Lock, Notice, Queue, Settlement


class Broadcasts:
    """The broadcasts that an app declares. `default_key` binds those that name no routing key: Celery's workers on Redis
    hear that of their app alone."""

    def __init__(self, queues: Iterable[Queue] = (), *, default_key: str = "celery") -> None:
        self.channels: Mapping[str, Channel] = {
            queue.name: Channel(
                queue.exchange or queue.name, "fanout", durable=True, key=queue.routing_key or default_key
            )
            for queue in queues
            if queue.broadcast
        }
        """By the name that tasks are routed to."""

    def __contains__(self, queue: str) -> bool:
        return queue in self.channels

    def __bool__(self) -> bool:
        return bool(self.channels)

    def check(self, broker: Broker, queue: str, lock: Lock | None = None) -> None:
        """Raises `ImproperlyConfigured` where this broker cannot reach all workers at once, and `InvalidTask` for a
        message that must be the only one."""
        if lock is not None:
            raise InvalidTask(f"queue {queue!r} goes to all its workers, so unique_for cannot work there")
        if Cap.BROADCAST not in broker.capabilities:
            raise ImproperlyConfigured(
                f"queue {queue!r} is a broadcast, and {mask_url(broker.url)} cannot broadcast; docs/plugins/README.md "
                "says which brokers can. Use one of them, or send the task to a queue of each worker"
            )

    def publish(
        self, broker: Broker, batch: Sequence[Envelope], *, timeout: float
    ) -> Sequence[Exception | None]:
        """As `Broker.publish`, but announce what is for a broadcast, after the others.

        Raises `BrokerUnavailable` where nothing was accepted; a broadcast that nobody hears is no error.
        """
        loud = [at for at, each in enumerate(batch) if each.queue in self.channels] if self.channels else None
        if not loud:
            return broker.publish(batch, timeout=timeout)
        quiet = [at for at, envelope in enumerate(batch) if envelope.queue not in self.channels]
        answers: list[Exception | None] = [None] * len(batch)
        if quiet:
            for at, answer in zip(
                quiet, broker.publish([batch[at] for at in quiet], timeout=timeout), strict=True
            ):
                answers[at] = answer
        try:
            said = self.announce(broker, [batch[at] for at in loud], timeout=timeout)
        except BrokerError as exc:
            if not quiet:
                raise
            said = [exc] * len(loud)
        for at, answer in zip(loud, said, strict=True):
            answers[at] = answer
        return answers

    def announce(
        self, broker: Broker, batch: Sequence[Envelope], *, timeout: float
    ) -> Sequence[Exception | None]:
        """Announce envelopes whose queues are broadcasts. Raises `BrokerUnavailable`, `ImproperlyConfigured`."""
        for envelope in batch:
            self.check(broker, envelope.queue)
        notices = [Notice(self.channels[envelope.queue], envelope.message) for envelope in batch]
        return broker.announce(notices, timeout=timeout)

    def parted(self, done: Sequence[Settlement]) -> tuple[Sequence[Settlement], Sequence[Envelope]]:
        """Settlements without what they have to announce, and that."""
        if not self.channels:
            return done, ()
        loud = [each for settlement in done for each in settlement.publish if each.queue in self.channels]
        if not loud:
            return done, loud
        return [self._without(settlement) for settlement in done], loud

    def _without(self, settlement: Settlement) -> Settlement:
        left = tuple(each for each in settlement.publish if each.queue not in self.channels)
        return msgspec.structs.replace(settlement, publish=left)


NO_BROADCASTS = Broadcasts()
