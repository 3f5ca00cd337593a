"""Answers that are lost: the store did what it was asked, and whoever asked does not hear of it and asks again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Protocol

from tq.contracts.broker import Broker, Cap
from tq.errors import BrokerUnavailable
from tq.records import Delivery, Settlement
from tq.testing.broker_kit import BrokerKit, come_back, envelope, ids, names, settle, task_id
from tq.testing.needs import needs

_MOST = 60
"""Answers that one operation may consist of."""


class Line(Protocol):
    """A way to the server behind `broker_url` that loses one answer when it is told to."""

    @property
    def url(self) -> str:
        """The URL of the same store by this way."""

    @property
    def lost(self) -> bool:
        """Whether the answer was lost that was to be."""

    def lose(self, number: int | None) -> None:
        """Let so many answers pass, from now on, and break the connection in place of the next; None: let all pass."""


class Answers:
    """Tests with the fixture `lossy_line`: each answer of one operation is lost in turn."""

    broker_class: ClassVar[type[Broker]]

    @needs(Cap.LEASE | Cap.ATOMIC_PUBLISH)
    def test_a_turn_is_done_once_whichever_of_its_answers_is_lost(
        self, kit: BrokerKit, broker: Broker, queue: str, lossy_line: Line
    ) -> None:
        """A worker repeats a turn that got no answer. Done twice, it acknowledges what nobody ran, or sends what
        follows twice; and what was lent unseen waits until its consumer dies."""
        sent = names(_MOST)
        kit.send(broker, queue, *sent)
        consumer = kit.consumer(kit.broker(lossy_line.url), queue)
        lent = kit.take(consumer, 1)
        seen: list[str] = []
        for number in _each_lost(lossy_line):
            seen += ids(lent)
            batch = [_followed(delivery, f"{queue}-next") for delivery in lent]
            settled, more = kit.survive(lambda batch=batch: consumer.turn(batch, 1, 0.0))  # type: ignore[misc]
            assert list(settled) == [True] * len(batch), f"answer {number} of a turn was lost"
            lent = list(more) or kit.take(consumer, 1)
        following = kit.consumer(broker, f"{queue}-next")
        came = come_back(kit, broker, queue, following, len(seen))
        assert sorted(ids(came)) == sorted(f"after-{each}" for each in seen)
        assert kit.rest(following) == []
        rest = [*lent, *kit.take(consumer, _MOST - len(seen) - len(lent))]
        assert kit.same([*seen, *ids(rest)], sent)
        assert settle(consumer, rest) == [True] * len(rest)
        consumer.close()
        assert kit.rest(kit.consumer(broker, queue)) == []

    @needs(Cap.STATS)
    def test_a_publish_that_is_not_in_doubt_has_not_arrived(
        self, kit: BrokerKit, broker: Broker, queue: str, lossy_line: Line
    ) -> None:
        """What is not in doubt is sent again, and would be there twice."""
        sender = kit.broker(lossy_line.url)
        kit.send(sender, queue, "first")
        arrived = 1
        for number in _each_lost(lossy_line):
            possible = (1,)
            try:
                assert list(sender.publish([envelope(queue, f"{number}")], timeout=30.0)) == [None]
            except BrokerUnavailable as exc:
                possible = (0, 1) if exc.in_doubt else (0,)  # type: ignore[assignment]
            before, arrived = arrived, broker.stats(queue).ready
            assert arrived - before in possible, f"answer {number} of a publish was lost"

    @needs(Cap.UNIQUE | Cap.STATS)
    def test_a_unique_publish_may_be_repeated_whichever_of_its_answers_is_lost(
        self, kit: BrokerKit, broker: Broker, queue: str, lossy_line: Line
    ) -> None:
        sender = kit.broker(lossy_line.url)
        sent = iter(names(_MOST))
        for number in _each_lost(lossy_line):
            name = next(sent)
            kit.survive(lambda name=name: kit.send(sender, queue, name, unique=True))  # type: ignore[misc]
            assert broker.stats(queue).ready == number + 1, f"answer {number} of a publish was lost"


def _each_lost(line: Line) -> Iterator[int]:
    """For loops whose body does one operation, and then talks over another line: loses its first answer, its second, and so
    on, until there was none left to lose."""
    for number in range(_MOST):
        line.lose(number)
        yield number
        lost = line.lost
        line.lose(None)
        if not lost:
            assert number, "a line that loses nothing proves nothing"
            return
    raise AssertionError(f"an operation took more than {number} answers")


def _followed(delivery: Delivery, queue: str) -> Settlement:
    return Settlement(delivery, publish=(envelope(queue, f"after-{task_id(delivery)}"),))
