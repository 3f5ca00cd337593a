"""Messages on their way to the broker: a deadline for the caller, and another try where that helps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tq.contracts.broker import Broker
from tq.contracts.transactions import own_transaction
from tq.errors import BrokerUnavailable, ImproperlyConfigured
from tq.options import mask_url
from tq.policy.broadcast import NO_BROADCASTS, Broadcasts
from tq.records import Envelope

Hook = Callable[..., None] | None


class Publisher:
    """Publishes through one broker. `timeout`: seconds that a call may take in all."""

    def __init__(
        self,
        broker: Broker,
        *,
        timeout: float,
        publishing: Hook = None,
        published: Hook = None,
        failed: Hook = None,
        broadcasts: Broadcasts = NO_BROADCASTS,
    ) -> None:
        self._broker = broker
        self._timeout = timeout
        self.publishing = publishing
        self._published = published
        self._failed = failed
        self._broadcasts = broadcasts

    def publish(
        self,
        batch: Sequence[Envelope],
        *,
        retry: bool = True,
        policy: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Put messages into their queues; returns when all are accepted.

        Tries again while the broker cannot be reached, as the policy says (`max_retries`, `interval_start`,
        `interval_step`, `interval_max`), but never past the deadline. What may have been accepted already is
        not sent again unless it is `unique`. Raises `BrokerUnavailable`, or the first error of an item.
        """
        if self.publishing is not None:
            for envelope in batch:
                self.publishing(envelope=envelope, follows=())
        try:
            errors = self._publish(batch, retry, policy or {}, self._timeout if timeout is None else timeout)
        except Exception as exc:
            self._tell(batch, [exc] * len(batch))
            raise
        self._tell(batch, errors)
        for error in errors:
            if error is not None:
                raise error

    def _tell(self, batch: Sequence[Envelope], errors: Sequence[Exception | None]) -> None:
        for envelope, error in zip(batch, errors, strict=True):
            if error is None and self._published is not None:
                self._published(envelope=envelope)
            elif error is not None and self._failed is not None:
                self._failed(envelope=envelope, exception=error)

    def _publish(
        self, batch: Sequence[Envelope], retry: bool, policy: Mapping[str, Any], timeout: float
    ) -> Sequence[Exception | None]:
        transaction = own_transaction.get()
        if transaction is not None and not self._broker.joins_transaction(transaction):
            raise ImproperlyConfigured(
                f"the broker {mask_url(self._broker.url)} is not in the database of the transaction that is open here, "
                "so its messages could not be rolled back; send them after the commit, or use that database as broker"
            )
        if transaction is not None and any(each.queue in self._broadcasts for each in batch):
            raise ImproperlyConfigured(
                "a broadcast cannot be rolled back with the transaction that is open here; send it after the commit"
            )
        deadline = time.monotonic() + timeout
        # What failed has spoilt a transaction of the caller's.
        pauses = _pauses(policy) if retry and transaction is None else iter(())
        while True:
            try:
                left = max(0.05, deadline - time.monotonic())
                return self._broadcasts.publish(self._broker, batch, timeout=left)
            except BrokerUnavailable as exc:
                if exc.in_doubt and not all(envelope.unique for envelope in batch):
                    raise
                pause = next(pauses, None)
                if pause is None or time.monotonic() + pause >= deadline:
                    raise
                time.sleep(pause)


def _pauses(policy: Mapping[str, Any]) -> Iterator[float]:
    """Source: kombu's retry policy, as `task_publish_retry_policy` documents it."""
    limit = policy.get("max_retries", 3)
    pause = policy.get("interval_start", 0.0)
    step, longest = policy.get("interval_step", 0.2), policy.get("interval_max", 0.2)
    tried = 0
    while limit is None or tried < limit:
        yield min(pause, longest)
        pause += step
        tried += 1
