"""Brokers that are wrong about what they have to remember beside messages."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tq.records import Revocation
from tq.testing.mutants.brokers import BrokerMutant


class RevokesForEver(BrokerMutant):
    """Keeps revocations that have expired."""

    caught_by = "test_a_revocation_expires"

    def revoke(self, batch: Sequence[Revocation], *, expires: float) -> None:
        super().revoke(batch, expires=1e9)


class ShortensRevocations(BrokerMutant):
    """Takes every id for one of its own form."""

    caught_by = "test_a_revocation_of_any_text_is_kept_as_it_is"

    def revoke(self, batch: Sequence[Revocation], *, expires: float) -> None:
        short = [msgspec.structs.replace(each, task_id=each.task_id[:100]) for each in batch]
        super().revoke(short, expires=expires)


class RepeatsRevocations(BrokerMutant):
    """Tells all revocations each time."""

    caught_by = "test_revocations_are_told_once_to_who_asks_with_the_version"

    def revoked(self, after: int = 0) -> tuple[int, Sequence[Revocation]]:
        return super().revoked(0)


MEMORIES: tuple[type[BrokerMutant], ...] = tuple(
    each for each in BrokerMutant.__subclasses__() if each.__module__ == __name__
)
"""All of them."""
