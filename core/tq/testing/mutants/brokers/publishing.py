"""Brokers that publish wrongly."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tq.errors import EncodeError, PublishError
from tq.records import Envelope
from tq.testing.mutants.brokers.mutant import BrokerMutant
from tq.wire.envelope import pack


class SwallowsPublishErrors(BrokerMutant):
    """Says that a message was accepted which it could not write."""

    caught_by = "test_publish_reports_a_bad_message_and_sends_its_neighbours"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        super().publish(batch, timeout=timeout)
        return [None] * len(batch)


class SpoilsNeighbours(BrokerMutant):
    """Refuses a whole batch because of one bad message."""

    caught_by = "test_publish_reports_a_bad_message_and_sends_its_neighbours"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        try:
            for envelope in batch:
                pack(envelope)
        except EncodeError as exc:
            return [PublishError(str(exc))] * len(batch)
        return super().publish(batch, timeout=timeout)


class LosesTheEndOfLargeBatches(BrokerMutant):
    """Writes at most 500 messages of a batch."""

    caught_by = "test_a_batch_of_a_thousand_is_published_received_and_settled"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        super().publish(batch[:500], timeout=timeout)
        return [None] * len(batch)


class IgnoresPriority(BrokerMutant):
    """Hands out all in order of arrival."""

    caught_by = "test_a_higher_priority_comes_first"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        return super().publish([msgspec.structs.replace(e, priority=None) for e in batch], timeout=timeout)


class DeliversEarly(BrokerMutant):
    """Ignores delays."""

    caught_by = "test_a_delayed_message_comes_when_it_is_due"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        return super().publish([msgspec.structs.replace(e, delay=0.0) for e in batch], timeout=timeout)


class ForgetsUniqueness(BrokerMutant):
    """Accepts a unique message again."""

    caught_by = "test_publish_of_a_unique_message_again_is_a_no_op"

    def publish(self, batch: Sequence[Envelope], *, timeout: float) -> Sequence[Exception | None]:
        return super().publish([msgspec.structs.replace(e, unique=False) for e in batch], timeout=timeout)
