"""Brokers that announce wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tq.brokers.listeners import MemorySubscription
from tq.contracts.subscription import Subscription
from tq.records import Channel, Heard, Notice
from tq.testing.mutants.brokers.mutant import BrokerMutant


class TellsOneListener(BrokerMutant):
    """Is a queue: each announcement reaches one of them."""

    caught_by = "test_all_who_listen_hear_it_in_order"
    _only: ClassVar[dict[str, Subscription]] = {}

    def subscribe(
        self, channel: Channel, pattern: str = "", *, queue: str = "", ttl: float = 60.0
    ) -> Subscription:
        made = super().subscribe(channel, pattern, queue=queue, ttl=ttl)
        return self._only.setdefault(f"{channel}{pattern}", made)


class TellsEverythingToAll(BrokerMutant):
    """Ignores patterns."""

    caught_by = "test_a_topic_is_heard_by_patterns"

    def subscribe(
        self, channel: Channel, pattern: str = "", *, queue: str = "", ttl: float = 60.0
    ) -> Subscription:
        return super().subscribe(Channel(channel.name), pattern, queue=queue, ttl=ttl)


class KeepsAnnouncements(BrokerMutant):
    """Repeats to who comes later what was said before."""

    caught_by = "test_nothing_is_kept_for_who_comes_later[fanout]"
    _said: ClassVar[dict[str, list[Notice]]] = {}

    def announce(self, batch: Sequence[Notice], *, timeout: float) -> Sequence[Exception | None]:
        for notice in batch:
            self._said.setdefault(notice.channel.name, []).append(notice)
        return super().announce(batch, timeout=timeout)

    def subscribe(
        self, channel: Channel, pattern: str = "", *, queue: str = "", ttl: float = 60.0
    ) -> Subscription:
        made = super().subscribe(channel, pattern, queue=queue, ttl=ttl)
        super().announce(self._said.get(channel.name, ()), timeout=1.0)
        return made


class ThinksNobodyListens(BrokerMutant):
    """Says so of all channels."""

    caught_by = "test_who_listens_is_reckoned_with[#]"

    def is_heard(self, notice: Notice, *, timeout: float) -> bool:
        return False


class SpoilsOtherAnnouncements(BrokerMutant):
    """Says nothing of a batch in which one notice is bad."""

    caught_by = "test_a_bad_notice_leaves_its_neighbours"

    def announce(self, batch: Sequence[Notice], *, timeout: float) -> Sequence[Exception | None]:
        answers: list[Exception | None] = []
        for notice in batch:
            answers += super().announce([notice], timeout=timeout)
            if answers[-1] is not None:
                return answers + [answers[-1]] * (len(batch) - len(answers))
        return answers


class ListensOnAfterAnInterrupt(BrokerMutant):
    """Does not wake its listeners."""

    caught_by = "test_an_interrupt_ends_a_wait_for_announcements"

    class subscription_class(MemorySubscription):
        def interrupt(self) -> None:
            """Nothing happens."""


class HearsMoreThanItsLimit(BrokerMutant):
    """Hands out all at once."""

    caught_by = "test_receive_hands_out_no_more_than_its_limit"

    class subscription_class(MemorySubscription):
        def receive(self, limit: int, wait: float) -> Sequence[Heard]:
            return super().receive(limit + 100, wait)
